/**
 * The console's named people in the data directory: `people.json` holds hashes of their tokens and is written by the
 * command line only; `people-seen.json` holds when they were last here and ended sessions, written by the instance.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { OpsError } from '../core/errors.ts';
import type { Account, Accounts, EndedSessions } from '../core/people.ts';
import { nameProblem } from '../core/people.ts';
import type { Clock } from '../core/ports.ts';

const peopleSchema = z.strictObject({
  people: z.array(
    z.strictObject({ name: z.string(), hash: z.string().regex(/^[0-9a-f]{64}$/), addedAt: z.number() }),
  ),
});
type PeopleFile = z.infer<typeof peopleSchema>;

const seenSchema = z.strictObject({
  used: z.record(z.string(), z.number()),
  ended: z.record(z.string(), z.number()),
});
type SeenFile = z.infer<typeof seenSchema>;

export interface KnownPerson {
  readonly name: string;
  readonly addedAt: number;
  readonly lastUsedAt?: number;
}

const noteEveryMs = 60_000;
/** An ended session is remembered for longer than it would have lasted: a clock that goes back must not revive it. */
const endedKeptMs = 60 * 86_400_000;

/** What the running instance asks. A file that cannot be read or is not ours is nobody, told once by `problem`. */
export function openPeople(
  dataDir: string,
  clock: Clock,
  problem: (message: string) => void,
): { readonly people: Accounts; readonly endedSessions: EndedSessions } {
  const listed = reader(fileOf(dataDir), (text) => peopleSchema.parse(JSON.parse(text)).people, [], problem);
  const seen = readSeen(dataDir, problem);
  const save = () => {
    const now = clock.now();
    for (const [id, until] of Object.entries(seen.ended))
      if (until + endedKeptMs < now) delete seen.ended[id];
    writeWhole(seenFileOf(dataDir), JSON.stringify(seen));
  };
  const accountOf = ({ name, hash }: PeopleFile['people'][number]): Account => ({ name, key: hash });

  return {
    people: {
      byToken(token) {
        const hash = Buffer.from(hashOf(token), 'hex');
        // Every one is compared, so that the time does not tell which was nearly right.
        const found = listed().filter((p) => timingSafeEqual(Buffer.from(p.hash, 'hex'), hash))[0];
        return found && accountOf(found);
      },
      byName(name) {
        const found = listed().find((p) => p.name === name);
        return found && accountOf(found);
      },
      used(name) {
        const now = clock.now();
        const last = Object.hasOwn(seen.used, name) ? seen.used[name] : undefined;
        if ((last !== undefined && now - last < noteEveryMs) || !listed().some((p) => p.name === name))
          return;
        seen.used[name] = now;
        try {
          save();
        } catch {
          problem('people-seen.json cannot be written');
        }
      },
    },
    endedSessions: {
      has: (id) => Object.hasOwn(seen.ended, id),
      add(id, until) {
        seen.ended[id] = until;
        save();
      },
    },
  };
}

/** Adds a person and returns the token, which is kept nowhere. Throws OpsError `config-invalid` for a name not to be had. */
export function addPerson(dataDir: string, name: string, now: number): string {
  const token = randomBytes(32).toString('base64url');
  change(dataDir, (people) => {
    checkName(people, name);
    return [...people, { name, hash: hashOf(token), addedAt: now }];
  });
  return token;
}

/** Throws OpsError `config-invalid` for a name that `addPerson` would refuse, before anything is written about it. */
export function checkNewPerson(dataDir: string, name: string): void {
  checkName(readPeople(dataDir), name);
}

/** False when there is nobody of this name. */
export function removePerson(dataDir: string, name: string): boolean {
  let found = false;
  change(dataDir, (people) => {
    found = people.some((p) => p.name === name);
    return found ? people.filter((p) => p.name !== name) : undefined;
  });
  return found;
}

export function knownPeople(dataDir: string): readonly KnownPerson[] {
  const { used } = readSeen(dataDir, () => {});
  return readPeople(dataDir).map(({ name, addedAt }) => {
    const last = Object.hasOwn(used, name) ? used[name] : undefined;
    // Of an earlier person of this name, where it is older.
    return { name, addedAt, ...(last !== undefined && last >= addedAt ? { lastUsedAt: last } : {}) };
  });
}

function checkName(people: PeopleFile['people'], name: string): void {
  const problem = nameProblem(
    name,
    people.map((p) => p.name),
  );
  if (problem) throw new OpsError('config-invalid', `${JSON.stringify(name)} cannot be added: ${problem}.`);
}

const fileOf = (dataDir: string) => join(dataDir, 'people.json');
const seenFileOf = (dataDir: string) => join(dataDir, 'people-seen.json');
const hashOf = (token: string) => createHash('sha256').update(token).digest('hex');

function readPeople(dataDir: string): PeopleFile['people'] {
  const file = fileOf(dataDir);
  try {
    return peopleSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).people;
  } catch (cause) {
    if (isCode(cause, 'ENOENT')) return [];
    throw new OpsError(
      'config-invalid',
      `${file} is not a list of people, so nobody in it can sign in.`,
      'Restore it, or remove it and add everybody anew.',
      { cause },
    );
  }
}

/** One writer at a time; what `update` returns is written whole, undefined changes nothing. */
function change(
  dataDir: string,
  update: (people: PeopleFile['people']) => PeopleFile['people'] | undefined,
): void {
  const lock = `${fileOf(dataDir)}.lock`;
  try {
    closeSync(openSync(lock, 'wx', 0o600));
  } catch (cause) {
    const other = isCode(cause, 'EEXIST');
    throw new OpsError(
      'config-invalid',
      other ? 'Somebody else is changing the people just now.' : `${fileOf(dataDir)} cannot be written.`,
      other ? `Try again; if nobody is, remove ${lock}.` : undefined,
      { cause },
    );
  }
  try {
    const people = update(readPeople(dataDir));
    if (people) writeWhole(fileOf(dataDir), `${JSON.stringify({ people }, undefined, 1)}\n`);
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Read again only when the file is another one or has changed: asked at every request. */
function reader<T>(
  file: string,
  parse: (text: string) => T,
  none: T,
  problem: (message: string) => void,
): () => T {
  let known = { mark: '', value: none };
  return () => {
    const mark = markOf(file);
    if (mark === known.mark) return known.value;
    let value = none;
    try {
      if (mark !== '') value = parse(readFileSync(file, 'utf8'));
    } catch {
      problem(`${file} cannot be read, so nobody in it can sign in`);
    }
    known = { mark, value };
    return value;
  };
}

function markOf(file: string): string {
  try {
    const stat = statSync(file, { bigint: true });
    return `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
  } catch (error) {
    return isCode(error, 'ENOENT') ? '' : 'unreadable';
  }
}

function readSeen(dataDir: string, problem: (message: string) => void): SeenFile {
  try {
    return seenSchema.parse(JSON.parse(readFileSync(seenFileOf(dataDir), 'utf8')));
  } catch (cause) {
    if (!isCode(cause, 'ENOENT')) problem('people-seen.json cannot be read; it is begun anew');
    return { used: {}, ended: {} };
  }
}

function writeWhole(file: string, text: string): void {
  const fresh = `${file}.new`;
  const fd = openSync(fresh, 'w', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, file);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
