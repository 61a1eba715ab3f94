/**
 * The log of a process: on stderr, in plain lines on a terminal, without the secrets that its role holds.
 */
import { createLogger } from '../backends/logger.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../core/ports.ts';
import { createRedactor } from '../core/redact.ts';

export interface ProcessLog {
  readonly logger: Logger;
  /** The same redactor for everything else that leaves the process. */
  readonly redact: (text: string) => string;
}

export function processLog(config: Pick<Config, 'logLevel' | 'secrets'>): ProcessLog {
  const redact = createRedactor({ exact: config.secrets });
  const plain = process.stderr.isTTY === true;
  const write = (line: string) => void process.stderr.write(line);
  return { redact, logger: createLogger({ level: config.logLevel, redact, plain, write }) };
}
