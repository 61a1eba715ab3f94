/**
 * People whom the console knows by a token of their own: which names there may be, and what the console asks of
 * whoever keeps them.
 */

/** One person's right to sign in. `key` is another one for every token that the name is ever given. */
export interface Account {
  readonly name: string;
  readonly key: string;
}

/** Who may sign in now. What is not there any more may not; read anew at each question. */
export interface Accounts {
  byToken(token: string): Account | undefined;
  byName(name: string): Account | undefined;
  /** Notes that this person was here; kept no more often than once a minute. */
  used(name: string): void;
}

/** Browser sessions that somebody has signed out of: refused for good, also after a restart. */
export interface EndedSessions {
  has(id: string): boolean;
  /** `until`, in ms since the epoch, is when the session would have ended by itself. */
  add(id: string, until: number): void;
}

/** The instance's own token belongs to this name. */
export const ownerName = 'owner';

const nameText = /^[a-z0-9][a-z0-9._-]{0,31}$/;

/** Why this may not be the name of a new person beside these; undefined when it may. */
export function nameProblem(name: string, taken: readonly string[]): string | undefined {
  if (!nameText.test(name))
    return 'a name is 1 to 32 lower-case letters, digits, "." "_" or "-", and begins with a letter or digit';
  if (name === ownerName) return `${ownerName} is whoever has the instance's own token`;
  if (taken.includes(name)) return `there is a ${name} already; remove that one first for a new token`;
  const like = [ownerName, ...taken].find((other) => skeleton(other) === skeleton(name));
  return like === undefined ? undefined : `it looks like ${like}, who would be taken for the same person`;
}

/** One text for all names that people read as the same: digits like letters, pairs like one letter, marks left out. */
function skeleton(name: string): string {
  return name
    .replace(/[._-]/g, '')
    .replace(/0/g, 'o')
    .replace(/[1i]/g, 'l')
    .replace(/5/g, 's')
    .replace(/rn/g, 'm')
    .replace(/vv/g, 'w')
    .replace(/cl/g, 'd');
}
