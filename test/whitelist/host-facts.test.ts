import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { expect, it } from 'vitest';
import type { CommandRunner } from '../../src/core/ports.ts';
import { startWhitelistServer } from '../../src/whitelist/start.ts';
import { fixedClock } from '../fakes/fixed-clock.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { memoryAudit } from '../fakes/memory-audit.ts';
import { catalogue, host, policy } from './catalogue.ts';

it('server_status tells what else is known of a host, and nothing of one that the caller may not ask', async ({
  onTestFinished,
}) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'opsagent-facts-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  mkdirSync(join(dataDir, 'keys'));
  const runner: CommandRunner = {
    run: async () => ({
      end: { kind: 'unreachable', problem: 'local (127.0.0.1) is offline in the tailnet' },
      stdout: '',
      stderr: '',
      truncated: false,
      ms: 1,
    }),
    collect: async () => undefined,
    close: async () => {},
  };
  const ask = policy.ask.map((rule) => (rule.name === 'others' ? { ...rule, hosts: ['local'] } : rule));
  const server = await startWhitelistServer({
    catalogue,
    hosts: [host, { ...host, name: 'secret' }],
    hostFacts: async ({ name }) => `Tailnet: ${name} is offline.`,
    policy: { ...policy, ask },
    runner,
    trustedKeys: async () => ({ ok: true, fingerprints: ['SHA256:first'] }),
    dataDir,
    audit: memoryAudit(),
    redact: (text) => text,
    clock: fixedClock(),
    logger: recordingLogger(),
  });
  const [near, far] = InMemoryTransport.createLinkedPair();
  server.serve(far);
  const client = new Client({ name: 'stranger', version: '1' });
  await client.connect(near);
  const status = async (name: string) =>
    JSON.stringify(await client.callTool({ name: 'server_status', arguments: { host: name } }));

  expect(await status('local')).toContain('Tailnet: local is offline.');
  expect(await status('secret')).not.toContain('Tailnet:');
  await client.close();
});
