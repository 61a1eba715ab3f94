// What test/report.mjs offers, for its test.
// By hand, as the sources are compiled without JavaScript among them.

import type { LeftOut } from './needs.ts';

export function describeLeftOut(suites: readonly LeftOut[], root: string): string;
export function countTests(json: string | undefined, exitCode: number): string;
