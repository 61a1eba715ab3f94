/**
 * Log lines on stderr: JSON for machines, one plain line each on a terminal. Every line passes the redactor.
 */
import { pino } from 'pino';
import type { Logger } from '../core/ports.ts';

export interface LoggerOptions {
  readonly level: string;
  readonly redact: (text: string) => string;
  /** Plain lines for a person instead of JSON. */
  readonly plain: boolean;
  readonly write: (line: string) => void;
}

export function createLogger(options: LoggerOptions): Logger {
  const { redact, plain, write } = options;
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => write(redact(plain ? plainLine(line) : line)) },
  );
  return logger;
}

function plainLine(json: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const cause =
    err && typeof err === 'object' && 'message' in err ? { why: err.message } : err ? { why: err } : {};
  const rest = Object.entries({ ...fields, ...cause }).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return `${[String(time).slice(11, 19), level, msg, ...rest].join(' ')}\n`;
}
