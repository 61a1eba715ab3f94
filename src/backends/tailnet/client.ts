/**
 * Asks tailscaled for its status: over the local API on its unix socket, else through `tailscale status --json`.
 * Answers are kept for a few seconds, and callers at the same time share one question.
 */
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { homedir } from 'node:os';
import type { Clock } from '../../core/ports.ts';
import type { Tailnet, TailnetStatus } from '../../core/tailnet.ts';
import { readStatus } from './status-schema.ts';

export interface TailnetOptions {
  /** Unix socket of tailscaled. */
  readonly socket: string;
  /** Programs to ask where there is no socket, the first that is installed; none: only the socket is asked. */
  readonly programs: readonly string[];
  readonly clock: Clock;
  /** Default two seconds. */
  readonly timeoutMs?: number;
  /** For how long an answer holds; default three seconds. */
  readonly keepMs?: number;
}

/** The programs that speak for a tailscaled without a socket that is ours to use, as the macOS app. */
export function tailscalePrograms(): readonly string[] {
  return ['tailscale', '/Applications/Tailscale.app/Contents/MacOS/Tailscale'];
}

export function createTailnet(options: TailnetOptions): Tailnet {
  const { clock, keepMs = 3_000 } = options;
  let kept: { readonly answer: Promise<TailnetStatus>; until: number } | undefined;
  return {
    status() {
      if (kept !== undefined && clock.now() < kept.until) return kept.answer;
      // Until it has answered it holds for everybody; its age is counted from the answer.
      const asked = { answer: ask(options), until: Number.POSITIVE_INFINITY };
      kept = asked;
      void asked.answer.then(() => {
        asked.until = clock.now() + keepMs;
      });
      return asked.answer;
    },
  };
}

/** A tailnet has at most some ten thousand nodes of about two kilobytes. */
const MOST_BYTES = 64_000_000;

async function ask({ socket, programs, timeoutMs = 2_000 }: TailnetOptions): Promise<TailnetStatus> {
  const answer = await askSocket(socket, timeoutMs);
  if (answer !== 'absent') return answer;
  for (const program of programs) {
    const said = await askProgram(program, timeoutMs);
    if (said !== 'absent') return said;
  }
  return { kind: 'absent', problem: `there is no tailscaled on this machine (no socket ${socket})` };
}

function askSocket(socket: string, timeoutMs: number): Promise<TailnetStatus | 'absent'> {
  return new Promise((resolve) => {
    const failed = (what: string) => resolve({ kind: 'failed', problem: `tailscaled at ${socket} ${what}` });
    const asking = request(
      {
        socketPath: socket,
        path: '/localapi/v0/status',
        // tailscaled answers only under this name, so that no page in a browser can ask it.
        headers: { host: 'local-tailscaled.sock', 'sec-tailscale': 'localapi' },
        signal: AbortSignal.timeout(timeoutMs),
        agent: false,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > MOST_BYTES) response.destroy(new Error('too much'));
        });
        response.on('error', (error: NodeJS.ErrnoException) => failed(reason(error, timeoutMs)));
        response.on('end', () =>
          response.statusCode === 200
            ? resolve(readStatus(text))
            : failed(`refuses to tell its status (HTTP ${response.statusCode})`),
        );
      },
    );
    asking.on('error', (error: NodeJS.ErrnoException) => {
      // A socket file that nobody listens on is what a stopped tailscaled leaves behind.
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTDIR')
        resolve('absent');
      else failed(reason(error, timeoutMs));
    });
    asking.end();
  });
}

function reason(error: NodeJS.ErrnoException, timeoutMs: number): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError' || error.code === 'ABORT_ERR')
    return `did not answer within ${timeoutMs / 1000} s`;
  if (error.code === 'EACCES' || error.code === 'EPERM') return 'may not be asked by this login';
  return `ended the conversation (${error.code ?? 'broken answer'})`;
}

function askProgram(program: string, timeoutMs: number): Promise<TailnetStatus | 'absent'> {
  return new Promise((resolve) => {
    const env = { PATH: '/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOME: homedir() };
    const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MOST_BYTES } as const;
    execFile(program, ['status', '--json'], { ...limits, env, encoding: 'utf8' }, (error, stdout) => {
      if (error && 'code' in error && error.code === 'ENOENT') return resolve('absent');
      // It exits 1 for a tailnet that is down and tells the status all the same.
      if (stdout.trimStart().startsWith('{')) return resolve(readStatus(stdout));
      if (error?.killed)
        return resolve({
          kind: 'failed',
          problem: `\`tailscale status\` did not answer within ${timeoutMs / 1000} s`,
        });
      resolve('absent');
    });
  });
}
