/**
 * The pipe to the whitelist server: a child process over stdio. Not the SDK's transport, which starts a second server
 * only to ask its version, and kills the first when it is closed: a change under way must reach its end.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import {
  type JSONRPCMessage,
  ReadBuffer,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/client';
import { getDefaultEnvironment } from '@modelcontextprotocol/client/stdio';

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The child's whole environment but for HOME, PATH, SHELL, TERM, USER and LOGNAME. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Where the child's log goes; `inherit` puts it beside ours. */
  readonly stderr?: 'inherit' | 'ignore';
}

/** How long a child may take to end after its input was closed, in ms. */
const graceMs = 3000;
/** One reply is far below this; a server that sends more is broken. */
const maxMessageBytes = 32 * 1024 * 1024;

export class WhitelistChild implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #options: ChildOptions;
  readonly #buffer = new ReadBuffer({ maxBufferSize: maxMessageBytes });
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #answered = false;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): Promise<void> {
    const { command, args, env, cwd, stderr } = this.#options;
    const child = spawn(command, [...args], {
      env: { ...getDefaultEnvironment(), ...env },
      stdio: ['pipe', 'pipe', stderr ?? 'inherit'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#child = child;
    child.stdin.on('error', (error) => this.onerror?.(error));
    child.stdout.on('error', (error) => this.onerror?.(error));
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
    child.once('close', () => this.#gone());
    return new Promise((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => {
        reject(error);
        this.#gone();
      });
    });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin;
    if (!stdin?.writable) throw new Error('the whitelist server is not running');
    const text = serializeMessage(message);
    await new Promise<void>((resolve, reject) => {
      stdin.write(text, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Closes the child's input, at which it ends as soon as no change runs there; then it is left to itself. */
  async close(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.stdin.end();
    const timer = setTimeout(() => {
      // One that never spoke has nothing to finish.
      if (!this.#answered) child.kill('SIGKILL');
      child.unref();
      child.stdout.destroy();
      this.#gone();
    }, graceMs);
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, graceMs + 100).unref())]);
    clearTimeout(timer);
  }

  #read(chunk: Buffer): void {
    this.#answered = true;
    try {
      this.#buffer.append(chunk);
      for (;;) {
        const message = this.#buffer.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
      }
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      this.#child?.stdin.end();
    }
  }

  #gone(): void {
    if (!this.#child) return;
    this.#child = undefined;
    this.#buffer.clear();
    this.onclose?.();
  }
}
