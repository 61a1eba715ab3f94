/**
 * The environment that a process of ours starts another one with: what that one's role may read, and no more.
 */
import { isPassphraseName, mayRead, type Role, VARIABLES } from './variables.ts';

/** What a child needs to find programs, its home and the SSH agent; nothing of ours. */
const surroundings = ['PATH', 'HOME', 'USER', 'SHELL', 'TERM', 'LANG', 'TZ', 'SSH_AUTH_SOCK'];

/** The bare environment for a child process of that role: its own variables and what programs need to run at all. */
export function environmentFor(role: Role, env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const names = new Set(surroundings);
  for (const variable of VARIABLES) {
    if (!mayRead(role, variable)) continue;
    names.add(variable.name);
    if (variable.secret) names.add(`${variable.name}_FILE`);
  }
  const reads = (name: string) => names.has(name) || (role === 'whitelist' && isPassphraseName(name));
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value !== undefined && reads(name) ? [[name, value]] : [],
    ),
  );
}
