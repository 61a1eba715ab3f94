// A small copy of the project in a folder whose name has spaces, with an npm and a compiler that only write down
// that they were called: what test/bootstrap.test.ts starts for real.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/** What `calls` gives when neither ran. */
export const NOTHING = { npm: 0, tsc: 0 };

const LOCK = {
  packages: {
    '': {},
    'node_modules/needed': { version: '1.0.0' },
    'node_modules/typescript': { version: '7.0.2', dev: true },
    'node_modules/elsewhere': { version: '1.0.0', optional: true },
  },
};

const NPM = `#!/bin/sh
echo "$@" >> npm-calls
[ ! -p gate ] || read -r _ < gate
if [ -f npm-says ]; then cat npm-says >&2; exit 1; fi
rm -rf node_modules
mkdir -p node_modules/typescript/bin
cp tsc.mjs node_modules/typescript/bin/tsc
cp hidden.json node_modules/.package-lock.json
`;

const TSC = `import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
appendFileSync('tsc-calls', 'called\\n');
if (readFileSync('src/main.ts', 'utf8').includes('@wrong')) {
  console.log('src/main.ts(1,1): error TS0000: wrong.');
  process.exit(2);
}
mkdirSync('dist/src', { recursive: true });
writeFileSync('dist/src/main.js', 'export async function main(argv) { console.log(JSON.stringify(argv)); }');
`;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that is still running, and how to wait for what it says and for its end. */
export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  says(text: string): Promise<void>;
  readonly end: Promise<Ended>;
}

export interface Tree {
  readonly root: string;
  start(options?: { readonly env?: NodeJS.ProcessEnv; readonly node?: readonly string[] }): Running;
  run(options?: { readonly env?: NodeJS.ProcessEnv; readonly node?: readonly string[] }): Promise<Ended>;
  write(file: string, text: string): void;
  remove(file: string): void;
  has(file: string): boolean;
  /** Empty when there is no such file. */
  read(file: string): string;
  /** How often npm and the compiler were called since this was asked last. */
  calls(): { readonly npm: number; readonly tsc: number };
  /** From now on npm waits, until `open` lets the one that waits go on. */
  gate(): { open(): void };
  delete(): void;
}

/** Makes the tree of a fresh clone: sources and lock file, nothing installed, nothing built; or the copy of another. */
export function makeTree(like?: Tree): Tree {
  const root = mkdtempSync(join(tmpdir(), 'opsagent boot strap '));
  const path = (file: string) => join(root, file);
  const write = (file: string, text: string) => {
    mkdirSync(dirname(path(file)), { recursive: true });
    writeFileSync(path(file), text);
  };
  const remove = (file: string) => rmSync(path(file), { recursive: true, force: true });
  const read = (file: string) => (existsSync(path(file)) ? readFileSync(path(file), 'utf8') : '');
  const lines = (file: string) => read(file).split('\n').length - 1;

  if (like) cpSync(like.root, root, { recursive: true, preserveTimestamps: true });
  else freshClone(root, write);

  const started: ChildProcessWithoutNullStreams[] = [];
  const start: Tree['start'] = ({ env = {}, node = [] } = {}) => {
    const PATH = `${path('bin')}:/usr/bin:/bin`;
    const args = [...node, path('src/opsagent.mjs'), 'a', 'b c'];
    const child = spawn(process.execPath, args, { cwd: tmpdir(), env: { ...process.env, PATH, ...env } });
    started.push(child);
    return follow(child);
  };

  return {
    root,
    start,
    run: (options) => start(options).end,
    write,
    remove,
    has: (file) => existsSync(path(file)),
    read,
    calls() {
      const counts = { npm: lines('npm-calls'), tsc: lines('tsc-calls') };
      remove('npm-calls');
      remove('tsc-calls');
      return counts;
    },
    gate() {
      execFileSync('mkfifo', [path('gate')]);
      return { open: () => writeFileSync(path('gate'), 'go\n') };
    },
    delete() {
      for (const child of started) child.kill('SIGKILL');
      if (existsSync(path('gate'))) letGo(path('gate'));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

// An npm that a failed test left waiting would wait for ever.
function letGo(gate: string): void {
  const open = openSync(gate, constants.O_RDWR | constants.O_NONBLOCK);
  writeSync(open, 'go\n'.repeat(9));
  closeSync(open);
}

function freshClone(root: string, write: Tree['write']): void {
  for (const file of ['src/opsagent.mjs', 'src/bootstrap.mjs', 'src/bootstrap']) {
    cpSync(join(PROJECT, file), join(root, file), { recursive: true });
  }
  write('package.json', '{"type":"module"}');
  write('package-lock.json', JSON.stringify(LOCK));
  write('hidden.json', JSON.stringify(LOCK));
  write('tsconfig.json', '{}');
  write('src/main.ts', 'right');
  write('adapters/console/page/page.css', 'body {}');
  write('tsc.mjs', TSC);
  write('bin/npm', NPM);
  chmodSync(join(root, 'bin/npm'), 0o755);
}

/** Collects what a process says, so that a test can wait for its words instead of for some time. */
function follow(child: ChildProcessWithoutNullStreams): Running {
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });

  return {
    child,
    says: (text) =>
      new Promise((resolve) => {
        const look = () => {
          if (!stderr.includes(text)) return;
          child.stderr.off('data', look);
          resolve();
        };
        child.stderr.on('data', look);
        look();
      }),
    end: new Promise((resolve) => {
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    }),
  };
}
