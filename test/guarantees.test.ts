/**
 * What is guaranteed (docs/architecture.md), row by row, and the tests that show it: each named here must be there,
 * so that no guarantee loses its test without notice.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** By file: the names of the tests, as they stand in it. */
type Shown = Readonly<Record<string, readonly string[]>>;

const rows: Readonly<Record<string, Shown>> = {
  'a platform delivers the same event twice: one run': {
    'bot/inbox.test.ts': ['delivered twice at once is one run'],
    'system/guarantees.test.ts': ['takes an event that is delivered twice for one request'],
  },
  'two people click at once, one clicks twice, click and expiry race: one verdict, the others are told': {
    'bot/decide.test.ts': ['of many at once has one winner, and everybody else is told whose it was'],
    'system/clicks.test.ts': [
      'give one verdict, and after kill -9 of everything it stands',
      'with everything killed while they are pressed, and pressed again after it: one verdict all the same',
    ],
  },
  'a process is killed before a change starts: another goes on, and the change runs once': {
    'crash.test.ts': [
      'number $write, $how it took hold, is followed by one that ends the run, and the change ran once',
    ],
    'system/start.test.ts': [
      'by kill -9 while an approval waits goes on at the next start, and the change runs once',
    ],
    'system/kill-rounds.test.ts': ['runs at most once, ends or waits, and its thread says the truth'],
  },
  'the worker is killed while a change runs: the server finishes it, the next worker gets the result': {
    'system/guarantees.test.ts': [
      'while a change runs, the worker: the whitelist server finishes it and the next worker tells its result',
    ],
    'crash.test.ts': [
      'for longer than its lease: another one gets the result of that run, and it is told once',
    ],
  },
  'the server is killed while a change runs: collected from the host, else lost, told, never run again': {
    'system/guarantees.test.ts': [
      'while a change runs, the whitelist server: what its host has of it is fetched and told, with no second run',
    ],
    'whitelist/left-behind.test.ts': [
      'was not run where its host has never begun it: said so, and not run by itself',
      'is unknown where %s, with the command that shows what became of it',
    ],
    'flow.test.ts': ['is told as unknown when the server that ran it died, and is not run again'],
  },
  'killed while a read runs: it runs again': {
    'system/guarantees.test.ts': ['while a read runs: it runs again, and the answer is told'],
  },
  'command, arguments, hosts or keys change between card and run: refused, and the part is named': {
    'whitelist/drift.test.ts': ['is named: %s'],
    'system/drift.test.ts': ['is refused with the part named, and what is unchanged runs'],
  },
  'Redis loses the job but keeps the run: on start and each minute overdue runs are advanced': {
    'worker/worker.test.ts': ['takes up at its start the runs whose job the queue has lost'],
  },
  'the queue delivers a job twice, late or after a stall: harmless': {
    'crash.test.ts': ['twice, late and after the end does no harm'],
    'system/pauses.test.ts': ['longer than its lease, while a change ran'],
  },
  'Redis is unreachable: told, and nothing is acknowledged that was not stored': {
    'contract/chat-adapter-hearing.ts': [
      'what could not be stored is not acknowledged, and the person is told',
    ],
    'system/pauses.test.ts': ['nothing was acknowledged meanwhile, a running change ran once'],
  },
  'the audit log cannot be written: the command does not run': {
    'whitelist/execute.test.ts': ['keeps a change from running', 'keeps a read from running'],
    'backends/audit-durability.test.ts': ['refuses a change before it starts'],
  },
  'nobody is named as an approver, or a list is empty: refused, never anyone': {
    'core/policy.test.ts': ['refuses a change that nobody could approve'],
    'system/guarantees.test.ts': [
      'refuses when nobody is left who could approve, and never lets anybody instead',
    ],
  },
  'somebody says stop: the remote process is ended, and the thread says how': {
    'flow.test.ts': ['ends what runs and says who said it', 'withdraws what waits for people'],
    'system/stop.test.ts': ['a stop ends the remote process, and the thread says that it did'],
  },
};

describe.each(Object.entries(rows))('%s', (_, shown) => {
  it.each(Object.entries(shown))('is shown by test/%s', (file, names) => {
    const text = readFileSync(join(import.meta.dirname, file), 'utf8');

    for (const name of names) expect(text).toContain(name);
  });
});
