// What test/system-packages.mjs offers, for the suites that are TypeScript.
// By hand, as the sources are compiled without JavaScript among them.

export const PROGRAMS: Readonly<Record<string, { names: readonly string[]; apt: string; brew: string }>>;
export function programPath(program: string, folders?: readonly string[]): string | undefined;
export function missingPrograms(folders?: readonly string[]): string[];
