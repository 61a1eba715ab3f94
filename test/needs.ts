// A `describe` for suites that run against a real program: left out where the program is missing, and recorded,
// so that test/run.mjs can say so at the end instead of passing in silence.

import { appendFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { programPath } from './system-packages.mjs';

/** One left-out suite, as a line of JSON in the file that LEFT_OUT_SUITES names. */
export interface LeftOut {
  readonly file: string;
  readonly suite: string;
  readonly missing: readonly string[];
}

/**
 * `needs('redis-server', 'sshd')('the suite', () => …)`: `describe` where all these programs are installed, and
 * `describe.skip` otherwise. Names are those of PROGRAMS in test/system-packages.mjs.
 */
export function needs(...programs: string[]): typeof describe {
  const missing = programs.filter((program) => !programPath(program));
  if (missing.length === 0) return describe;

  return new Proxy(describe, {
    apply(_target, _this, args: Parameters<typeof describe>) {
      record(String(args[0]), missing);
      return describe.skip(...args);
    },
    get(_target, name) {
      record('', missing);
      return Reflect.get(describe.skip, name);
    },
  });
}

function record(suite: string, missing: readonly string[]): void {
  const list = process.env.LEFT_OUT_SUITES;
  if (!list) return;

  const leftOut: LeftOut = { file: expect.getState().testPath ?? '', suite, missing };
  appendFileSync(list, `${JSON.stringify(leftOut)}\n`);
}
