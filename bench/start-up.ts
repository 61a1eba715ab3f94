/**
 * From nothing to ready, and what the bootstrap in front of the program costs when it has nothing to do.
 */
import { join } from 'node:path';
import type { Figure } from './figure.ts';
import { median } from './figure.ts';
import { environment, mainFile, root, startOpsagent } from './opsagent.ts';
import { runToEnd } from './process.ts';
import { createScope, inRounds, type Scope, timed } from './scope.ts';

export async function startUp(scope: Scope): Promise<readonly Figure[]> {
  const kept = scope.folder();
  // The first start makes keys and token; from then on a start finds them.
  await (await startOpsagent(scope, kept)).stop();

  const starts = await inRounds({ most: 5, withinMs: 12_000 }, async () => {
    const node = await timed(() => runToEnd(process.execPath, ['-e', '0']));
    const again = await startedAndStopped(kept);
    const own = createScope();
    const first = await startedAndStopped(own.folder()).finally(() => own.close());
    return { node, again, first };
  });

  const env = { env: environment(kept), cwd: kept };
  const versions = await inRounds({ most: 9, withinMs: 4_000 }, async () => ({
    bootstrap: await timed(() =>
      runToEnd(process.execPath, [join(root, 'src', 'opsagent.mjs'), '--version'], env),
    ),
    program: await timed(() => runToEnd(process.execPath, [mainFile, '--version'], env)),
  }));

  const node = { what: 'node -e 0', value: median(starts.of('node')) };
  return [
    {
      what: 'start to ready',
      unit: 'ms',
      ours: median(starts.of('again')),
      peer: node,
      rounds: starts.rounds,
    },
    {
      what: 'first start to ready (makes keys)',
      unit: 'ms',
      ours: median(starts.of('first')),
      peer: node,
      rounds: starts.rounds,
    },
    {
      what: '--version through the bootstrap',
      unit: 'ms',
      ours: median(versions.of('bootstrap')),
      peer: { what: '--version without it', value: median(versions.of('program')) },
      rounds: versions.rounds,
    },
  ];
}

async function startedAndStopped(dataDir: string): Promise<number> {
  const own = createScope();
  try {
    return (await startOpsagent(own, dataDir)).readyMs;
  } finally {
    await own.close();
  }
}
