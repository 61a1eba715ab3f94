/**
 * A real sshd on loopback with keys of its own, for the bench. Its logins have an empty home: a login shell's rc files
 * take part in every command and would hide, on both sides alike, what is to be measured.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort, runToEnd, stopChild, usageOfTree } from './process.ts';
import type { Scope } from './scope.ts';

export const sshdProgram = '/usr/sbin/sshd';

export interface Sshd {
  /** A private folder of its own. */
  readonly dir: string;
  readonly port: number;
  readonly user: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
}

/** Starts it and waits until it listens. */
export async function startSshd(scope: Scope): Promise<Sshd> {
  const dir = scope.folder();
  const port = await freePort();
  const hostKey = await makeKey(join(dir, 'host'));
  const keyFile = await makeKey(join(dir, 'client'));
  const home = join(dir, 'home');
  const knownHostsFile = join(dir, 'known_hosts');
  mkdirSync(home);
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  writeFileSync(join(dir, 'authorized_keys'), readFileSync(`${keyFile}.pub`), { mode: 0o600 });
  writeFileSync(knownHostsFile, `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8')}`);
  const config = join(dir, 'sshd_config');
  writeFileSync(
    config,
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      `SetEnv HOME=${home}`,
      '',
    ].join('\n'),
  );

  const child = spawn(sshdProgram, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  scope.add(async () => {
    // sshd's children for open connections outlive it.
    for (const { pid } of usageOfTree(child.pid ?? 0).slice(1)) endQuietly(pid);
    await stopChild(child);
  });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-2_000);
      if (log.includes('Server listening')) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`sshd did not start: ${log.trim()}`)));
  });
  return { dir, port, user: userInfo().username, keyFile, knownHostsFile };
}

async function makeKey(file: string): Promise<string> {
  await runToEnd('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file]);
  return file;
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid);
  } catch {
    // It has ended already.
  }
}
