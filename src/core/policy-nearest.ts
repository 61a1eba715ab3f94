/**
 * The nearest command: of the reads that somebody may run, the one that shows most of what a refused one is about.
 */
import type { AskedCommand } from './policy.ts';

/** Its probe, else the allowed read of its category that is most like it: same parameters, same words in its name. */
export function nearestRead(
  command: AskedCommand,
  catalogue: readonly AskedCommand[],
  isAllowed: (read: AskedCommand) => boolean,
): string | undefined {
  const reads = readsIn(catalogue);
  const probe = command.probe === undefined ? undefined : reads.byName.get(command.probe);
  if (probe && isAllowed(probe.command)) return probe.command.name;

  const words = wordsIn(command.name);
  const params = new Set(command.params?.map((p) => p.name));
  const likeness = (r: Read) =>
    10 * r.params.filter((p) => params.has(p)).length + r.words.filter((w) => words.includes(w)).length;
  let best: { readonly name: string; readonly likeness: number } | undefined;
  for (const read of reads.byCategory.get(command.category) ?? []) {
    const { name } = read.command;
    const alike = likeness(read);
    if (name !== command.name && alike > (best?.likeness ?? -1) && isAllowed(read.command))
      best = { name, likeness: alike };
  }
  return best?.name;
}

interface Read {
  readonly command: AskedCommand;
  readonly words: readonly string[];
  readonly params: readonly string[];
}

interface Reads {
  readonly byName: ReadonlyMap<string, Read>;
  readonly byCategory: ReadonlyMap<string, readonly Read[]>;
}

const readsOf = new WeakMap<readonly AskedCommand[], Reads>();

/** The reads of a catalogue, sorted once: it does not change while it is in use. */
function readsIn(catalogue: readonly AskedCommand[]): Reads {
  const found = readsOf.get(catalogue);
  if (found) return found;
  const all = catalogue
    .filter((c) => c.risk === 'read')
    .map((command) => ({
      command,
      words: wordsIn(command.name),
      params: (command.params ?? []).map((p) => p.name),
    }));
  const categories = new Set(all.map((r) => r.command.category));
  const reads = {
    byName: new Map(all.map((r) => [r.command.name, r])),
    byCategory: new Map([...categories].map((c) => [c, all.filter((r) => r.command.category === c)])),
  };
  readsOf.set(catalogue, reads);
  return reads;
}

function wordsIn(name: string): readonly string[] {
  return name.split(/[_-]/);
}
