/**
 * `opsagent people add | list | remove`: named people of the console. Works on the data directory, whether or not an
 * instance runs; a running one takes it in at the next request.
 */
import { openAuditLog } from '../backends/audit-log.ts';
import { prepareDataDir, runningInstance } from '../backends/data-dir.ts';
import { addPerson, checkNewPerson, knownPeople, removePerson } from '../backends/people.ts';
import { loadPlace, type Place } from '../config/place.ts';
import { loadConfig, readEnvironment } from '../config.ts';
import { OpsError } from '../core/errors.ts';
import { ownerName } from '../core/people.ts';

interface Options {
  readonly json?: boolean;
}

export async function add(name: string, options: Options): Promise<void> {
  const place = placeHere();
  prepareDataDir(place.dataDir);
  checkNewPerson(place.dataDir, name);
  await record(place, 'people.added', name);
  const token = addPerson(place.dataDir, name, Date.now());
  const link = `${baseOf(place)}?token=${token}`;
  const isKnown = inPolicy(name);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ name, link, token, inPolicy: isKnown ?? null })}\n`);
    return;
  }
  const lines = [
    `${name} signs in with this link. It is shown this once; whoever has it is ${name}.`,
    `  ${link}`,
    `On the command line the token in it is OPSAGENT_TOKEN, or a file named by --token-file.`,
    ...(isKnown
      ? []
      : [
          isKnown === undefined
            ? 'config/policy.yaml cannot be read now. Unless it knows the account, add it under people, and name it in a rule:'
            : 'config/policy.yaml does not know this account. Add it under people, and name it in a rule:',
          `  ${yamlName(name)}: { console: ${yamlName(name)} }`,
        ]),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

export function list(options: Options): void {
  const people = knownPeople(placeHere().dataDir);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ people })}\n`);
    return;
  }
  const time = (at: number | undefined) =>
    at === undefined ? 'never' : `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const width = Math.max(ownerName.length, ...people.map((p) => p.name.length));
  const rows = people.map(
    (p) => `${p.name.padEnd(width)}  added ${time(p.addedAt)}  last used ${time(p.lastUsedAt)}`,
  );
  const owner = `${ownerName.padEnd(width)}  has the instance's own token`;
  process.stdout.write(`${[owner, ...rows].join('\n')}\n`);
}

export async function remove(name: string): Promise<void> {
  const place = placeHere();
  const unknown = () =>
    new OpsError(
      'config-invalid',
      `There is nobody named ${JSON.stringify(name)}.`,
      'See `opsagent people list`.',
    );
  if (!knownPeople(place.dataDir).some((p) => p.name === name)) throw unknown();
  await record(place, 'people.removed', name);
  if (!removePerson(place.dataDir, name)) throw unknown();
  process.stdout.write(
    `${name} is removed: the token is worth nothing any more, and open pages are signed out.\n`,
  );
}

const placeHere = () => loadPlace(readEnvironment(), process.cwd());

/** Before it happens, as everything else. */
async function record(place: Place, kind: 'people.added' | 'people.removed', name: string): Promise<void> {
  const audit = await openAuditLog({
    dir: `${place.dataDir}/audit`,
    writer: 'cli',
    clock: { now: Date.now },
    redact: (text) => text,
    anchor: place.anchor,
  });
  await audit.record({ kind, who: `console:${ownerName}`, data: { name, account: `console:${name}` } });
  await audit.close();
}

function baseOf({ dataDir, console: { port } }: Place): string {
  return runningInstance(dataDir)?.url ?? `http://127.0.0.1:${port}/`;
}

/** Whether policy.yaml names the account; undefined where it cannot be told because the configuration has problems. */
function inPolicy(name: string): boolean | undefined {
  try {
    const { policy } = loadConfig('cli', readEnvironment(), process.cwd());
    return policy.people.some((p) => p.accounts.includes(`console:${name}`));
  } catch {
    return undefined;
  }
}

/** Quoted where YAML would read a number, a boolean or nothing instead of a name. */
function yamlName(name: string): string {
  return /^[a-z][a-z0-9_-]*$/.test(name) && !/^(?:y|n|yes|no|on|off|true|false|null)$/.test(name)
    ? name
    : JSON.stringify(name);
}
