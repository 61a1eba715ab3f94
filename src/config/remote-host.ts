/**
 * The one host that variables alone can name: REMOTE_HOST and what belongs to it, as host `remote`.
 */
import { isAbsolute, join } from 'node:path';
import type { Host } from '../core/command.ts';
import type { Settings } from './env.ts';
import { addressForm, userForm } from './host-entry.ts';
import type { HostSurroundings } from './hosts.ts';
import { filePath } from './paths.ts';
import { integer, wrong } from './services.ts';

/** undefined when REMOTE_HOST is not set; half a configuration is a problem, never this machine by accident. */
export function remoteHost(settings: Settings, around: HostSurroundings): Host | undefined {
  const address = settings.get('REMOTE_HOST');
  const user = settings.get('REMOTE_USER');
  if (address === undefined) {
    const other = ['REMOTE_USER', 'REMOTE_SSH_KEY_PATH'].find((name) => settings.isSet(name));
    if (other)
      wrong(settings, 'REMOTE_HOST', `is missing while ${other} is set`, `set it, or remove ${other}`);
    return undefined;
  }
  if (!addressForm().test(address))
    wrong(settings, 'REMOTE_HOST', 'is not an address', 'write a host name or an IP address');
  if (user === undefined)
    wrong(settings, 'REMOTE_USER', 'is missing while REMOTE_HOST is set', 'set the user to log in as');
  else if (!userForm().test(user))
    wrong(settings, 'REMOTE_USER', 'is not a login name', 'write the user to log in as');

  const keyFile = keyFrom(settings, around);
  const passphrase = settings.get('REMOTE_SSH_KEY_PASSPHRASE');
  const proxy = around.proxyFor(address);
  return {
    name: 'remote',
    address,
    port: integer(settings, 'REMOTE_SSH_PORT', 1, 65_535) ?? 22,
    user: user ?? '',
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(passphrase === undefined ? {} : { passphrase }),
    hostKey: { kind: 'known-hosts', file: around.knownHostsFile },
    ...(proxy === undefined ? {} : { proxy }),
    tags: [],
    tier: 'production',
  };
}

/** REMOTE_SSH_KEY_PATH, else SSH_KEY_PATH/SSH_KEY_FILENAME as docker compose mounts it, else none: the SSH agent. */
function keyFrom(settings: Settings, around: HostSurroundings): string | undefined {
  const folder = settings.get('SSH_KEY_PATH');
  const variable = settings.isSet('REMOTE_SSH_KEY_PATH') ? 'REMOTE_SSH_KEY_PATH' : 'SSH_KEY_PATH';
  const written =
    settings.get('REMOTE_SSH_KEY_PATH') ??
    (folder === undefined ? undefined : join(folder, settings.get('SSH_KEY_FILENAME') ?? 'id_ed25519'));
  if (written === undefined) return undefined;
  const file = filePath(written, around.home);
  const problem = isAbsolute(file) ? around.keyProblem(file) : 'is not a full path';
  if (problem !== undefined)
    wrong(
      settings,
      variable,
      `${file} ${problem}`,
      'name a private key this login can read, from "/" or "~/"',
    );
  return file;
}
