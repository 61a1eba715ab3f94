// How the tests run: each file in its own process, on few of them, with time enough for a slow shared machine.
// Everything about what is tested is in test/.

import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: Math.min(4, Math.max(3, availableParallelism())),
    // Suites that watch real processes against real time limits can miss a moment on an overloaded machine.
    retry: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    restoreMocks: true,
  },
});
