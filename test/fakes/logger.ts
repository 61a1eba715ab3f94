/**
 * A logger that keeps what it was told.
 */
import type { Logger } from '../../src/core/ports.ts';

export interface RecordingLogger extends Logger {
  readonly lines: { level: string; message: string; fields: object }[];
}

export function recordingLogger(): RecordingLogger {
  const lines: RecordingLogger['lines'] = [];
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, message, fields });
  };
  const logger: RecordingLogger = {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  return logger;
}
