/**
 * What this server adds to a command: rendering, the gate, and cleaning, folding and fencing 64 KiB of its output.
 */
import { expect, it } from 'vitest';
import { createRedactor } from '../../src/core/redact.ts';
import { visible } from '../../src/core/visible.ts';
import { judge } from '../../src/whitelist/gate.ts';
import { cleanOutput, fenceOutput, foldOutput } from '../../src/whitelist/output.ts';
import { render } from '../../src/whitelist/render.ts';
import { createSealer, openSealKey } from '../../src/whitelist/seal.ts';
import { catalogue, host, policy, startRig } from './fixture.ts';

const rounds = 40;

it('rendering, gate and cleaning of a 64 KiB output take milliseconds', async () => {
  const rig = await startRig();
  const sealer = createSealer(openSealKey(rig.dataDir));
  const redact = createRedactor({ exact: ['held-by-us-0451', 'another-secret-9'] });
  const spec = catalogue.find((c) => c.name === 'service_status');
  if (!spec) throw new Error('no such command');
  const line = (i: number) =>
    `Nov 23 03:${i % 60} web-1 \x1b[32mapp\x1b[0m[${i}]: GET /api/v1/items?page=${i} 200 token=abc${i} 9f86d081884c7d65\n`;
  const stdout = Array.from({ length: 800 }, (_, i) => line(i))
    .join('')
    .slice(0, 65_536);
  const result = { end: { kind: 'exited', code: 0 }, stdout, stderr: '', truncated: false, ms: 1 } as const;
  const caller = { kind: 'unsigned', askers: [{ account: 'mcp', groups: [] }], owner: 'test' } as const;
  const windows = { find: async () => undefined };
  const gate = { policy, verify: undefined, sealer, windows, freeze: { frozen: false }, now: 0 };
  const times: number[] = [];

  for (let i = 0; i < rounds; i++) {
    const begun = performance.now();
    const rendered = render(spec, { service_name: 'nginx' }, host);
    if (!rendered.ok) throw new Error('not rendered');
    const { command } = rendered;
    const judged = await judge(gate, { caller, spec, on: [{ host, command }], keys: new Map() });
    const clean = await cleanOutput(result, { redact, visible });
    fenceOutput(foldOutput(clean, 12_000).text, { host: host.name, command: spec.name });
    times.push(performance.now() - begun);
    expect(judged.kind).toBe('run');
    expect(clean).not.toContain('token=abc');
  }
  await rig.close();

  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
  process.stdout.write(
    `render + gate + clean of ${stdout.length} bytes: median ${at(0.5)} ms, p95 ${at(0.95)} ms\n`,
  );
  expect(Number(at(0.5))).toBeLessThan(500);
});
