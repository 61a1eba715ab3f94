/**
 * How we log in to a host: its key file, or an ssh-agent. Read before anything is dialled, so that a key that
 * cannot be used is said plainly, and never with its passphrase.
 */
import ssh2, { type ConnectConfig, type ParsedKey } from 'ssh2';
import type { Host } from '../../core/command.ts';
import type { ReadFile } from './host-key.ts';

export interface Login {
  /** For messages: "key /etc/keys/ops". */
  readonly label: string;
  readonly config: Pick<ConnectConfig, 'agent' | 'authHandler'>;
}

export type LoginResult =
  | { readonly ok: true; readonly login: Login }
  | { readonly ok: false; readonly problem: string };

/** `agentSocket` (SSH_AUTH_SOCK) is used only where the host names no key file. */
export async function loginFor(host: Host, readFile: ReadFile, agentSocket?: string): Promise<LoginResult> {
  const { keyFile, user } = host;
  if (keyFile === undefined) {
    if (agentSocket === undefined) return no(`${host.name} has no key file set and there is no ssh-agent`);
    const config = { agent: agentSocket, authHandler: ['agent'] } satisfies Login['config'];
    return { ok: true, login: { label: 'the keys of the ssh-agent', config } };
  }
  let bytes: Buffer;
  try {
    bytes = await readFile(keyFile);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return no(`the key file ${keyFile} for ${host.name} cannot be read (${code ?? 'unknown error'})`);
  }
  const key = parseKey(bytes, host.passphrase);
  if (key instanceof Error) {
    if (host.passphrase !== undefined) {
      return no(`the key file ${keyFile} for ${host.name} cannot be opened with the passphrase that is set`);
    }
    if (/encrypted/i.test(key.message)) {
      return no(`the key file ${keyFile} for ${host.name} is encrypted and no passphrase is set for it`);
    }
    return no(`the key file ${keyFile} for ${host.name} is not a private key that can be used`);
  }
  if (!key.isPrivateKey())
    return no(`the key file ${keyFile} for ${host.name} holds a public key, not a private one`);
  // `authHandler` names the one method: ssh2 would otherwise try `none` first, a round trip and a line in the host's log.
  const method = { type: 'publickey' as const, username: user, key };
  return { ok: true, login: { label: `key ${keyFile}`, config: { authHandler: [method] } } };
}

/** A login that offers nothing: for looking at a host's key. */
export const NO_LOGIN: Login = { label: 'no key', config: { authHandler: [] } };

function parseKey(bytes: Buffer, passphrase: string | undefined): ParsedKey | Error {
  const parsed: ParsedKey | ParsedKey[] | Error = ssh2.utils.parseKey(bytes, passphrase);
  if (!Array.isArray(parsed)) return parsed;
  return parsed[0] ?? new Error('empty');
}

function no(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
