/**
 * What the exit code of every command means; the help lists them too.
 */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  waiting: 4,
  late: 5,
  unproven: 6,
} as const;
