/**
 * How we log in to a host: its key file, an ssh-agent, or nothing at all (Tailscale SSH). Read before anything is
 * dialled, so that a key that cannot be used is said plainly, and never with its passphrase.
 */
import ssh2, { type ConnectConfig, type ParsedKey } from 'ssh2';
import type { Host } from '../../core/command.ts';
import type { ReadFile } from './host-key.ts';

export interface Login {
  /** For messages: "key /etc/keys/ops". */
  readonly label: string;
  /** Public keys that will be offered; another login is another attempt. */
  readonly identity: string;
  readonly config: Pick<ConnectConfig, 'agent' | 'authHandler'>;
}

export type LoginResult =
  | { readonly ok: true; readonly login: Login }
  | { readonly ok: false; readonly problem: string };

/** `agentSocket` (SSH_AUTH_SOCK) is used only where the host names no key file. */
export async function loginFor(host: Host, readFile: ReadFile, agentSocket?: string): Promise<LoginResult> {
  const { keyFile, user } = host;
  if (host.auth === 'none') {
    const label = 'no key at all (auth: none, which is for Tailscale SSH)';
    return { ok: true, login: { label, identity: 'none', config: { authHandler: ['none'] } } };
  }
  if (keyFile === undefined) return agentLogin(host, agentSocket);
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
  const identity = key.getPublicSSH().toString('base64');
  return { ok: true, login: { label: `key ${keyFile}`, identity, config: { authHandler: [method] } } };
}

async function agentLogin(host: Host, socket: string | undefined): Promise<LoginResult> {
  if (socket === undefined) return no(`${host.name} has no key file set and there is no ssh-agent`);
  const agent = ssh2.createAgent(socket);
  const keys = await new Promise<readonly unknown[] | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), AGENT_MS);
    agent.getIdentities((error, found) => {
      clearTimeout(timer);
      resolve(error ? undefined : (found ?? []));
    });
  });
  const what = `${host.name} has no key file set, and the ssh-agent at ${socket} (SSH_AUTH_SOCK)`;
  if (keys === undefined) return no(`${what} does not answer: start it, or set a key file`);
  if (keys.length === 0) return no(`${what} holds no key: add one with ssh-add, or set a key file`);
  const identity = keys.map(publicText).join(' ');
  const config = { agent: socket, authHandler: ['agent'] } satisfies Login['config'];
  return { ok: true, login: { label: 'the keys of the ssh-agent', identity, config } };
}

const AGENT_MS = 5_000;

/** The agent gives parsed keys, or their wire form. */
function publicText(key: unknown): string {
  if (Buffer.isBuffer(key)) return key.toString('base64');
  const parsed = ssh2.utils.parseKey(key as ParsedKey);
  return parsed instanceof Error ? '' : parsed.getPublicSSH().toString('base64');
}

/** A login that offers nothing: for looking at a host's key. */
export const NO_LOGIN: Login = { label: 'no key', identity: 'none', config: { authHandler: [] } };

function parseKey(bytes: Buffer, passphrase: string | undefined): ParsedKey | Error {
  const parsed: ParsedKey | ParsedKey[] | Error = ssh2.utils.parseKey(bytes, passphrase);
  if (!Array.isArray(parsed)) return parsed;
  return parsed[0] ?? new Error('empty');
}

function no(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
