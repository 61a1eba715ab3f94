/**
 * The SDK's own log lines under ours. What it says at debug level can hold message texts, so that is left out.
 */
import { LogLevel, type Logger as SdkLogger } from '@slack/bolt';
import type { Logger } from '../../src/core/ports.ts';

export function quietLogger(logger: Logger): SdkLogger {
  const text = (parts: unknown[]) => parts.map((p) => (p instanceof Error ? p.message : String(p))).join(' ');
  return {
    debug() {},
    info: (...parts) => logger.debug({ sdk: text(parts) }, 'slack sdk'),
    warn: (...parts) => logger.debug({ sdk: text(parts) }, 'slack sdk warning'),
    error: (...parts) => logger.info({ sdk: text(parts) }, 'slack sdk error'),
    setLevel() {},
    getLevel: () => LogLevel.INFO,
    setName() {},
  };
}
