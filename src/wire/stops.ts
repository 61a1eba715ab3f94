/**
 * Stopping in the reverse order of starting, each part whatever became of the others.
 */
import type { Logger } from '../core/ports.ts';

export interface Stops {
  add(name: string, stop: () => Promise<void>): void;
  run(): Promise<void>;
}

export function stopsInOrder(logger: Logger): Stops {
  const stops: { name: string; stop: () => Promise<void> }[] = [];
  return {
    add: (name, stop) => stops.push({ name, stop }),
    async run() {
      for (let last = stops.pop(); last; last = stops.pop()) {
        try {
          await last.stop();
        } catch (err) {
          logger.warn({ part: last.name, err }, 'part did not stop cleanly');
        }
      }
    },
  };
}
