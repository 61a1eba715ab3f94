/**
 * The named peer of every command: OpenSSH's own client over one kept connection (ControlMaster) to a real sshd, and
 * what opsagent needs to know to reach the same sshd.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runToEnd, stopChild } from './process.ts';
import { type Scope, sleep } from './scope.ts';
import { sshdProgram, startSshd } from './sshd.ts';

export interface RawSsh {
  /** The variables that make this sshd the host `remote`. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs one line over the kept connection and hands back what it printed. */
  run(line: string): Promise<string>;
}

/** What is missing for a real sshd, if anything. */
export function whyNoSsh(): string | undefined {
  if (!existsSync(sshdProgram)) return 'no sshd here (apt-get install openssh-server)';
  if (!existsSync('/proc/self/stat')) return 'it reads /proc to end sshd, which this system does not have';
  return spawnSync('ssh', ['-V']).error ? 'no ssh here (apt-get install openssh-client)' : undefined;
}

export async function startRawSsh(scope: Scope): Promise<RawSsh> {
  const sshd = await startSshd(scope);
  const control = join(sshd.dir, 'control');
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', `UserKnownHostsFile=${sshd.knownHostsFile}`];
  const target = [
    ...['-F', '/dev/null', '-S', control, '-p', String(sshd.port), '-i', sshd.keyFile],
    ...options.flatMap((option) => ['-o', option]),
    `${sshd.user}@127.0.0.1`,
  ];
  const master = spawn('ssh', ['-M', '-N', ...target], { stdio: ['ignore', 'ignore', 'pipe'] });
  scope.add(() => stopChild(master));
  let said = '';
  master.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  for (let tries = 0; !existsSync(control); tries++) {
    if (tries > 500 || master.exitCode !== null) throw new Error(`ssh did not connect: ${said.trim()}`);
    await sleep(10);
  }

  return {
    env: {
      REMOTE_HOST: '127.0.0.1',
      REMOTE_USER: sshd.user,
      REMOTE_SSH_PORT: String(sshd.port),
      REMOTE_SSH_KEY_PATH: sshd.keyFile,
      SSH_KNOWN_HOSTS_PATH: sshd.knownHostsFile,
    },
    run: (line) => runToEnd('ssh', [...target, line]),
  };
}
