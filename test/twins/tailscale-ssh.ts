/**
 * Tailscale SSH as a client sees it, on ssh2's own server: authentication `none`, decided by the tailnet's policy, and
 * what it says in the banner when that is not a plain yes. Commands are answered with their own text.
 */
import { createServer } from 'node:net';
import ssh2 from 'ssh2';
import { fingerprint } from '../../src/whitelist/ssh/host-key.ts';
import { listening } from './listening.ts';

export interface TailscaleSsh {
  readonly port: number;
  readonly hostKey: Buffer;
  readonly hostKeySha256: string;
  /** Methods of authentication that were asked for, in order. */
  readonly tried: readonly string[];
  /** Empties `tried`. */
  forget(): void;
  stop(): Promise<void>;
}

export interface TailscaleSshOptions {
  /** What the policy says of the login. */
  readonly policy: 'accept' | 'check' | 'deny';
}

export const CHECK_LINK = 'https://login.tailscale.com/a/0123456789ab';

/** What it says before it answers. */
const BANNERS = {
  accept: 'Welcome to the tailnet.\n',
  check: `# Tailscale SSH requires an additional check.\n# To authenticate, visit: ${CHECK_LINK}\n`,
  deny: 'tailscale: tailnet policy does not permit you to SSH to this node\n',
} as const;

export async function startTailscaleSsh({ policy }: TailscaleSshOptions): Promise<TailscaleSsh> {
  const keys = ssh2.utils.generateKeyPairSync('ed25519');
  const parsed = ssh2.utils.parseKey(keys.private);
  if (parsed instanceof Error) throw parsed;
  const hostKey = parsed.getPublicSSH();
  const tried: string[] = [];
  const server = new ssh2.Server(
    { hostKeys: [keys.private], ident: 'Tailscale', banner: BANNERS[policy] },
    (client) => {
      client.on('error', () => {});
      client.on('authentication', (context) => {
        tried.push(context.method);
        if (policy === 'accept' && context.method === 'none') return context.accept();
        if (policy === 'check') return;
        context.reject(['none']);
      });
      client.on('session', (accept) => {
        accept().once('exec', (acceptExec, _reject, { command }) => {
          const channel = acceptExec();
          channel.write(command);
          channel.exit(0);
          channel.end();
        });
      });
    },
  );
  const { port, stop } = await listening(createServer((socket) => server.injectSocket(socket)));
  return {
    port,
    hostKey,
    hostKeySha256: fingerprint(hostKey),
    tried,
    forget: () => void tried.splice(0),
    stop,
  };
}
