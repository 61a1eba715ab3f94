/**
 * A logger for parts that the bench drives itself: what matters is thrown.
 */
import type { Logger } from '../src/core/ports.ts';

export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};
