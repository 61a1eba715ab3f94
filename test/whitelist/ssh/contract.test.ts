import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLoopback } from '../../../src/whitelist/loopback.ts';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { commandRunnerContract } from '../../contract/command-runner.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { createScriptedRunner, type Scripted } from '../../fakes/scripted-runner.ts';
import { needs } from '../../needs.ts';
import { startSshd } from '../../twins/sshd.ts';

const clock = { now: () => Date.now() };

commandRunnerContract('the scripted fake', async () => {
  const behaviours: Readonly<Record<string, (args: readonly string[]) => Scripted>> = {
    greets: ([who]) => ({ kind: 'ends', code: 3, stdout: `hello ${who}`, stderr: 'oops' }),
    dies: () => ({ kind: 'signalled', signal: 'SIGKILL' }),
    hangs: () => ({ kind: 'hangs', stdout: 'begun\n' }),
    floods: () => ({ kind: 'ends', code: 0, stdout: 'x'.repeat(100_000) }),
  };
  const host = {
    name: 'web-1',
    address: '192.0.2.1',
    port: 22,
    user: 'ops',
    hostKey: { kind: 'fingerprint', sha256: 'SHA256:scripted' },
    tags: [],
    tier: 'test',
  } as const;
  const runner = createScriptedRunner((command, on) =>
    on.name === 'web-1'
      ? (behaviours[command.command]?.(command.args) ?? { kind: 'ends', code: 127 })
      : { kind: 'unreachable', problem: 'no such host' },
  );
  return { runner, host, unreachable: { ...host, name: 'gone' }, close: () => runner.close() };
});

commandRunnerContract('SSH to the loopback server', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-loopback-'));
  const loopback = await startLoopback({ dir, shell: '/bin/sh' });
  const runner = createSshRunner({ clock, logger: recordingLogger() });
  const host = {
    name: 'local',
    address: '127.0.0.1',
    port: loopback.port,
    user: loopback.user,
    keyFile: loopback.clientKeyFile,
    hostKey: { kind: 'fingerprint', sha256: loopback.hostKeySha256 },
    tags: [],
    tier: 'local',
  } as const;
  return {
    runner,
    host,
    unreachable: { ...host, port: 1 },
    async close() {
      await runner.close();
      await loopback.stop();
      rmSync(dir, { recursive: true });
    },
  };
});

needs('sshd')('with OpenSSH', () => {
  commandRunnerContract('SSH to OpenSSH', async () => {
    const sshd = await startSshd();
    const runner = createSshRunner({ clock, logger: recordingLogger() });
    return {
      runner,
      host: sshd.host(),
      unreachable: sshd.host({ port: 1 }),
      async close() {
        await runner.close();
        await sshd.stop();
      },
    };
  });
});
