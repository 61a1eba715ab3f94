/**
 * Waiting for a condition instead of for a time.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition; a rejected or late one fails with what it was waiting for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 4000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms for: ${what}`);
    await delay(5);
  }
}
