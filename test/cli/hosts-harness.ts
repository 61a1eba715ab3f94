/**
 * The command line called in this process, in a folder of its own with an inventory, and what it printed.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../src/main.ts';

export interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Place {
  readonly dir: string;
  /** Replaces config/hosts.yaml. */
  inventory(...entries: readonly Readonly<Record<string, unknown>>[]): void;
  run(...argv: string[]): Promise<Printed>;
  /** Gives folder and environment back as they were. */
  close(): void;
}

/** `env` is all that the command line sees beside PATH; the folder is the working directory until `close`. */
export function newPlace(env: Readonly<Record<string, string>>): Place {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-hosts-cli-'));
  const before = { cwd: process.cwd(), env: process.env };
  const shipped = join(before.cwd, 'config');
  mkdirSync(join(dir, 'config'));
  for (const file of ['commands.yaml', 'policy.yaml'])
    copyFileSync(join(shipped, file), join(dir, 'config', file));
  process.chdir(dir);
  process.env = { PATH: before.env.PATH, HOME: dir, ...env };
  return {
    dir,
    // JSON is YAML.
    inventory: (...entries) =>
      writeFileSync(join(dir, 'config', 'hosts.yaml'), JSON.stringify({ hosts: entries })),
    async run(...argv) {
      const stdout = captured(process.stdout);
      const stderr = captured(process.stderr);
      try {
        await main(argv);
        return { code: Number(process.exitCode ?? 0), stdout: stdout.text(), stderr: stderr.text() };
      } finally {
        stdout.release();
        stderr.release();
        process.stdout.removeAllListeners('error');
        process.exitCode = 0;
      }
    },
    close() {
      process.chdir(before.cwd);
      process.env = before.env;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function captured(stream: NodeJS.WriteStream): { text(): string; release(): void } {
  const { write } = stream;
  let text = '';
  stream.write = (chunk: string | Uint8Array): boolean => {
    text += chunk.toString();
    return true;
  };
  return {
    text: () => text,
    release() {
      stream.write = write;
    },
  };
}
