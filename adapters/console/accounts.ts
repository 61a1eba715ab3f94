/**
 * Everybody who may sign in here: the owner by the instance's own token, the others by the tokens they were given.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Accounts } from '../../src/core/people.ts';
import { ownerName } from '../../src/core/people.ts';

export function allAccounts(ownerToken: string, people: Accounts): Accounts {
  const hash = digest(ownerToken);
  // Another token, another key: a session that began with the old one ends.
  const owner = { name: ownerName, key: hash.toString('hex') };
  return {
    byToken(token) {
      const person = people.byToken(token);
      return timingSafeEqual(digest(token), hash) ? owner : person;
    },
    byName: (name) => (name === ownerName ? owner : people.byName(name)),
    used(name) {
      if (name !== ownerName) people.used(name);
    },
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
