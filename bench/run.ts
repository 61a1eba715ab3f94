/**
 * `npm run bench`: start-up, idle cost, latency of the whole path, job hop, first post. `--json` prints JSON, words
 * are names of parts to run alone. Exit code 1 when a part could not be measured; what is missing here is skipped.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { auditLine } from './audit.ts';
import { type Figure, json, type Outcome, type PartResult, table } from './figure.ts';
import { firstPost } from './first-post.ts';
import { idle, whyNotIdle } from './idle.ts';
import { jobHop, whyNoRedis } from './job-hop.ts';
import { wholePath } from './path.ts';
import { createScope, type Scope } from './scope.ts';
import { whyNoSsh } from './ssh.ts';
import { startUp } from './start-up.ts';

interface Part {
  readonly name: string;
  readonly title: string;
  readonly whyNot?: () => string | undefined;
  readonly measure: (scope: Scope) => Promise<readonly Figure[]>;
}

const parts: readonly Part[] = [
  { name: 'start', title: 'start-up', measure: startUp },
  { name: 'idle', title: 'idle, after 10 s, over 10 s', whyNot: whyNotIdle, measure: idle },
  { name: 'path', title: 'one command, whole path', whyNot: whyNoSsh, measure: wholePath },
  { name: 'hop', title: 'job hop', whyNot: whyNoRedis, measure: jobHop },
  { name: 'audit', title: 'audit log', measure: auditLine },
  { name: 'post', title: 'first post', whyNot: whyNoRedis, measure: firstPost },
];

/** All parts together; a part that hangs must not hang the bench. */
const giveUpMs = 85_000;

await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<void> {
  const asked = usage(argv);
  if (!asked) {
    process.stderr.write(`usage: npm run bench -- [--json] [${parts.map((p) => p.name).join(' | ')}]…\n`);
    process.exit(2);
  }
  const began = performance.now();
  const stopping = stopSignal(giveUpMs);
  const results: PartResult[] = [];
  for (const part of asked.parts) {
    process.stderr.write(`bench: ${part.title} …\n`);
    results.push({ part: part.title, outcome: await outcomeOf(part, stopping) });
  }

  const seconds = Math.round((performance.now() - began) / 1000);
  const facts = {
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    cores: cpus().length,
  };
  process.stdout.write(
    asked.json
      ? `${json(results, { ...facts, seconds })}\n`
      : `${table(results)}\n\nNode ${facts.node}, ${facts.system}, ${facts.cores} cores; medians, ${seconds} s in all.\n`,
  );
  process.exit(results.some((r) => r.outcome.kind === 'failed') ? 1 : 0);
}

function usage(argv: readonly string[]): { json: boolean; parts: readonly Part[] } | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: { json: { type: 'boolean' } },
      allowPositionals: true,
    });
    if (positionals.some((name) => !parts.some((p) => p.name === name))) return undefined;
    const chosen = parts.filter((p) => positionals.length === 0 || positionals.includes(p.name));
    return { json: values.json ?? false, parts: chosen };
  } catch {
    return undefined;
  }
}

/** Measures one part and closes all that it opened, also when the bench is told to stop meanwhile. */
async function outcomeOf(part: Part, stopping: AbortSignal): Promise<Outcome> {
  const why = part.whyNot?.();
  if (why !== undefined) return { kind: 'skipped', why };
  const scope = createScope();
  try {
    stopping.throwIfAborted();
    const stopped = new Promise<never>((_, reject) =>
      stopping.addEventListener('abort', () => reject(stopping.reason), { once: true }),
    );
    stopped.catch(() => {});
    return { kind: 'measured', figures: await Promise.race([part.measure(scope), stopped]) };
  } catch (error) {
    return { kind: 'failed', why: error instanceof Error ? error.message : String(error) };
  } finally {
    await scope.close();
  }
}

/** Aborts with the reason when time is up or somebody says stop; then every part left fails at once. */
function stopSignal(ms: number): AbortSignal {
  const stop = new AbortController();
  const because = (why: string) => () => stop.abort(new Error(why));
  setTimeout(because(`time was up after ${ms / 1000} s`), ms).unref();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, because(`stopped by ${signal}`));
  return stop.signal;
}
