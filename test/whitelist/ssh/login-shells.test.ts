/**
 * Values through a real sshd to real users, whose login shell in the user database is dash, bash, zsh, fish, tcsh or
 * ksh and whose homes are hostile. Only root can make users; 150 values by default, 12,000 with CHECK_DEEP=1.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { renderedCommand } from '../../contract/command-runner.ts';
import { recordingLogger } from '../../fakes/logger.ts';
import { needs } from '../../needs.ts';
import { programPath } from '../../system-packages.mjs';
import {
  addUser,
  type LoginUser,
  removeLeftoverUsers,
  removeUser,
  type Sshd,
  startSshd,
} from '../../twins/sshd.ts';

const SHELLS = ['dash', 'bash', 'zsh', 'fish', 'tcsh', 'ksh'] as const;
/** Shells that read a file of the home for a single command; dash and ksh read none. */
const READS_RC: readonly string[] = ['bash', 'zsh', 'fish', 'tcsh'];
const VALUES = 25;
/** Commands for each shell. */
const RUNS = process.env.CHECK_DEEP ? 80 : 1;

const breakers = [
  ...[
    ';',
    '|',
    '&',
    '&&',
    '||',
    '\n',
    '\r\n',
    '$(',
    '`',
    '>(',
    '<(',
    ')',
    '\\',
    '\\\\',
    "'",
    '"',
    "'\\''",
    "\\';",
  ],
  ...[
    ';/bin/touch PWNED;#',
    '$(/bin/touch PWNED)',
    '`/bin/touch PWNED`',
    '(/bin/touch PWNED)',
    '|/bin/touch PWNED',
  ],
  ...['\n/bin/touch PWNED\n', "';/bin/touch PWNED;'", '";/bin/touch PWNED;"', '>PWNED', '&/bin/touch PWNED&'],
  ...[
    '',
    ' ',
    '\t',
    '!',
    '!!',
    '!$',
    '^a^b',
    '*',
    '?',
    '[a]',
    '{a,b}',
    '~',
    '~root',
    '$HOME',
    '${IFS}',
    '=ls',
    '#',
  ],
  ...[
    '-n',
    '--',
    '-delete',
    '%s',
    '\\n',
    '\\x2d',
    '%PATH%',
    '\u0007',
    '\u001b[31m',
    '\u202e',
    '\ufeff',
    'é',
    '💥',
  ],
  ...['/srv/My Files/ü', 'getty@tty1.service', 'dev-disk-by\\x2duuid-1.device', 'compose-web-1'],
];
const value = fc
  .oneof(
    fc.array(fc.constantFrom(...breakers), { maxLength: 5 }).map((parts) => parts.join('')),
    fc
      .array(fc.oneof(fc.constantFrom(...breakers), fc.string({ unit: 'grapheme', maxLength: 8 })), {
        maxLength: 5,
      })
      .map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 40 }),
  )
  .filter((text) => !text.includes('\0') && !/\p{Surrogate}/u.test(text));

/** Every argument with a NUL after it, as base64: nothing of it can be mistaken for another. */
const ECHO_ARGS = `printf '%s\\0' "$@" | base64`;
const decoded = (stdout: string) => Buffer.from(stdout, 'base64');
const asSent = (args: readonly string[]) => Buffer.from(args.map((arg) => `${arg}\0`).join(''));

const suite = 'an SSH login of a real user';
if (process.getuid?.() === 0) needs('sshd', 'useradd', 'userdel', ...SHELLS)(suite, loginSuite);
else describe.skip(`${suite} (only root can make users)`, loginSuite);

function loginSuite(): void {
  const users = new Map<string, LoginUser>();
  const clock = { now: () => performance.now() };
  const runner = createSshRunner({ clock, logger: recordingLogger() });
  let sshd: Sshd | undefined;
  let folder = '';
  /** Does not wait for anything, so that it also works as the process exits. */
  const removeAll = (): void => {
    for (const { name } of users.values()) removeUser(name);
    users.clear();
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  };

  beforeAll(async () => {
    process.once('exit', removeAll);
    removeLeftoverUsers();
    folder = mkdtempSync(join(tmpdir(), 'opsagent-logins-'));
    chmodSync(folder, 0o755);
    sshd = await startSshd({ authorizedKeysFile: '.ssh/authorized_keys' });
    writeFileSync(join(folder, 'sshd'), sshd.dir);
    const run = randomBytes(4).toString('hex');
    for (const shell of SHELLS) {
      const shellPath = programPath(shell) ?? '';
      const user = { name: `oat${run}${shell.charAt(0)}`, home: join(folder, shell), shellPath };
      users.set(shell, user);
      addUser(user);
      fillHome(user, shell, `${sshd.clientKeyFile}.pub`);
    }
  });
  afterAll(async () => {
    try {
      await runner.close();
      await sshd?.stop();
    } finally {
      removeAll();
      process.off('exit', removeAll);
    }
  });

  const userOf = (shell: string): LoginUser => {
    const user = users.get(shell);
    if (user === undefined) throw new Error(`no user with ${shell}`);
    return user;
  };
  const run = (shell: string, script: string, args: readonly string[] = []) => {
    if (sshd === undefined) throw new Error('no sshd');
    return runner.run(
      renderedCommand({ script, args, maxOutputBytes: 500_000 }),
      sshd.host({ name: shell, user: userOf(shell).name }),
      new AbortController().signal,
    );
  };

  for (const shell of SHELLS) {
    describe(`whose login shell is ${shell}`, () => {
      it('runs the command as that user, in a shell that has read the hostile home', async () => {
        const { name, home, shellPath } = userOf(shell);

        const result = await run(shell, 'id -un; pwd; getent passwd "$(id -un)" | cut -d: -f7');

        expect(result).toMatchObject({
          end: { kind: 'exited', code: 0 },
          stdout: `${name}\n${home}\n${shellPath}\n`,
          stderr: '',
        });
        expect(readFileSync(join(home, 'ssh-rc-read'), 'utf8')).toBe(`${shellPath}\n`);
        expect(existsSync(join(home, 'rc-read'))).toBe(READS_RC.includes(shell));
      });

      it('is handed any values byte for byte, one word each, and runs nothing else', {
        timeout: 600_000,
      }, async () => {
        const { home } = userOf(shell);
        await fc.assert(
          fc.asyncProperty(fc.array(value, { minLength: VALUES, maxLength: VALUES }), async (args) => {
            const { end, stdout, stderr } = await run(shell, ECHO_ARGS, args);

            expect([end, stderr]).toEqual([{ kind: 'exited', code: 0 }, '']);
            expect(decoded(stdout).equals(asSent(args))).toBe(true);
            expect(existsSync(join(home, 'PWNED'))).toBe(false);
          }),
          { numRuns: RUNS },
        );
      });

      it('would show in its home that a value was run', async () => {
        const { home } = userOf(shell);

        await run(shell, 'eval "$1"', ['x;/bin/touch PWNED;#']);

        expect(existsSync(join(home, 'PWNED'))).toBe(true);
      });
    });
  }
}

/** Start-up files that print, and make every tool of the wrapper an alias, a function or a program that shows. */
function fillHome({ name, home }: LoginUser, shell: string, publicKeyFile: string): void {
  for (const sub of ['.ssh', '.config/fish', 'bin']) mkdirSync(join(home, sub), { recursive: true });
  const tools = ['printf', 'base64', 'timeout', 'head', 'sh', 'env', 'kill', 'ps', 'sleep'];
  const show = `/bin/touch ${home}/PWNED`;
  const begin = `/bin/touch ${home}/rc-read; echo 'Welcome, careful'`;
  const posix = [
    `${begin}; echo 'Careful' >&2; export PATH=${home}/bin; export LC_ALL=tr_TR.UTF-8; umask 077`,
    ...tools.map((tool) => `${tool}() { ${show}; }`),
    ...tools.map((tool) => `alias ${tool}='${show}'`),
    shell === 'bash' ? `export -f ${tools.join(' ')}` : '',
  ];
  const tcsh = [begin, `setenv PATH ${home}/bin`, ...tools.map((tool) => `alias ${tool} '${show}'`)];
  const fish = [begin, `set -gx PATH ${home}/bin`, ...tools.map((tool) => `function ${tool}; ${show}; end`)];
  const files: Readonly<Record<string, readonly string[]>> = {
    '.profile': posix,
    '.bashrc': posix,
    '.zshenv': posix,
    '.kshrc': posix,
    '.tcshrc': tcsh,
    '.config/fish/config.fish': fish,
    '.ssh/rc': [`echo "$SHELL" >${home}/ssh-rc-read; echo Welcome from sshd; echo Careful >&2`],
    '.ssh/authorized_keys': [readFileSync(publicKeyFile, 'utf8')],
  };
  for (const [file, lines] of Object.entries(files)) writeFileSync(join(home, file), `${lines.join('\n')}\n`);
  for (const tool of tools) writeFileSync(join(home, 'bin', tool), `#!/bin/sh\n${show}\n`, { mode: 0o755 });
  const uid = Number(execFileSync('id', ['-u', name], { encoding: 'utf8' }));
  for (const path of ['', '.ssh', '.config', '.config/fish', 'bin', ...Object.keys(files)])
    chownSync(join(home, path), uid, 0);
}
