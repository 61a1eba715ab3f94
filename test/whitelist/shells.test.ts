import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createFrame } from '../../src/whitelist/frame.ts';
import { remoteLine } from '../../src/whitelist/remote-line.ts';
import { needs } from '../needs.ts';

const SHELLS = ['dash', 'bash', 'zsh', 'fish', 'tcsh', 'ksh'] as const;
const RUNS = process.env.CHECK_DEEP ? 150 : 8;
const MARKER = '00112233445566778899aabbccddeeff';
const home = mkdtempSync(join(tmpdir(), 'opsagent-shells-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Runs the line as sshd would: as the one argument of the login shell. */
async function runIn(
  shell: string,
  script: string,
  args: readonly string[],
  over: { home?: string; timeoutSeconds?: number; env?: Record<string, string> } = {},
) {
  const rendered = remoteLine({
    script,
    args,
    timeoutSeconds: over.timeoutSeconds ?? 20,
    maxOutputBytes: 100_000,
    marker: MARKER,
  });
  if (!rendered.ok) throw new Error(rendered.reason);
  const out = createFrame(MARKER, 100_000);
  const err = createFrame(MARKER, 100_000);
  const at = over.home ?? home;
  const child = spawn(shell, ['-c', rendered.line], {
    cwd: at,
    env: { HOME: at, USER: 'ops', LOGNAME: 'ops', PATH: '/usr/bin:/bin', ...over.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    code,
    started: out.started,
    status: out.status,
    stdout: out.body(),
    stderr: err.body().toString(),
  };
}

/** Every argument between angle brackets, so that one word more or less shows. */
const ECHO_ARGS = `printf '<%s>' "$#" "$@"`;
const echoed = (args: readonly string[]) => `<${args.length}>${args.map((arg) => `<${arg}>`).join('')}`;

const hostile = fc.constantFrom(
  ...[
    '',
    ' ',
    '-n',
    '--',
    '-delete',
    '!',
    '!!',
    '!$',
    '\\',
    '\\\\',
    "'",
    '"',
    "\\';id;#",
    ';id',
    '$(id)',
    '`id`',
  ],
  ...[
    '\n',
    '\r\n',
    'a\n',
    '\n\n',
    '*',
    '?',
    '[a]',
    '{a,b}',
    '~',
    '~root',
    '$HOME',
    '${IFS}',
    '%s',
    '=ls',
    '#x',
    '&',
  ],
  ...[
    '\t',
    '\u0007',
    '\u001b[31m',
    '\u200b',
    '\u202e',
    '\ufeff',
    'é',
    '日本',
    '💥',
    '_',
    'getty@tty1.service',
    '^a^b',
  ],
);
const value = fc
  .oneof(
    fc
      .array(fc.oneof(hostile, fc.string({ unit: 'grapheme', maxLength: 8 })), { maxLength: 5 })
      .map((p) => p.join('')),
    fc.string({ unit: 'binary', maxLength: 40 }),
  )
  .filter((text) => !text.includes('\0') && !/\p{Surrogate}/u.test(text));

for (const shell of SHELLS) {
  needs(shell)(`the remote line in a ${shell} login shell`, () => {
    it('hands any values over byte for byte, one word each', { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(value, { maxLength: 4 }), async (args) => {
          const { stdout, stderr, status } = await runIn(shell, ECHO_ARGS, args);

          expect(stderr).toBe('');
          expect(stdout.equals(Buffer.from(echoed(args)))).toBe(true);
          expect(status).toBe(0);
        }),
        { numRuns: RUNS },
      );
    });

    it('carries any script, of many lines and with every quote', async () => {
      const script = `cat <<'E'\n!$x \\ "a" 'b' \`c\`\nE\nfind . -name '!' -exec echo {} + ; printf '{{.Names}}%s' "$1"\nexit 42`;
      const { stdout, status } = await runIn(shell, script, ['!']);

      expect([stdout.toString(), status]).toEqual([`!$x \\ "a" 'b' \`c\`\n{{.Names}}!`, 42]);
    });

    it('carries a line nearly as long as ssh allows', async () => {
      // A single quote would take four bytes of the line.
      const long = 'x!\\"'.repeat(22_000);
      const { stdout } = await runIn(shell, `printf %s "\${#1}"`, [long]);

      expect(stdout.toString()).toBe(String(long.length));
    });

    it('is not changed by rc files that print, alias, define functions and poison PATH', async () => {
      const poisoned = poisonedHome(shell);
      const { stdout, stderr, status } = await runIn(shell, 'du -s /etc >/dev/null && echo true', [], {
        home: poisoned,
        env: { ENV: join(poisoned, '.shrc'), BASH_ENV: join(poisoned, '.shrc') },
      });

      expect([stdout.toString(), stderr, status]).toEqual(['true\n', '', 0]);
    });
  });
}

/** In fish and tcsh `exit` ends only the rc file. */
const EXITS: Readonly<Record<string, string>> = { bash: '.shrc', zsh: '.zshenv' };

for (const [shell, rc] of Object.entries(EXITS)) {
  needs(shell)(`a ${shell} whose rc file exits`, () => {
    it('is told apart from a command: the start line never comes', async () => {
      const at = mkdtempSync(join(home, 'exit-'));
      writeFileSync(join(at, rc), 'echo Closed for maintenance\nexit 1\n');
      const env = { BASH_ENV: join(at, '.shrc') };
      const { code, started, status, stdout } = await runIn(shell, 'echo ran', [], { home: at, env });

      expect([code, started, status, stdout.length]).toEqual([1, false, undefined, 0]);
    });
  });
}

describe('the wrapper', () => {
  it('gives what runs a bare environment and no stdin', async () => {
    const { stdout } = await runIn('sh', 'env | cut -d= -f1 | sort | tr "\\n" " "; umask; cat', [], {
      env: { SLACK_BOT_TOKEN: 'x', SSH_AUTH_SOCK: '/x' },
    });

    expect(stdout.toString()).toBe('HOME LC_ALL LOGNAME OPSAGENT_CALL PATH PWD USER 0022\n');
  });

  it('ends the whole process group at the time limit, children that ignore TERM too', async () => {
    const { status, stdout } = await runIn('sh', `(trap '' TERM; echo $$; sleep 301) & sleep 302`, [], {
      timeoutSeconds: 1,
    });

    expect(status).toBe(124);
    expect(alive(Number(stdout.toString()))).toBe(false);
  });

  it('ends what a command leaves running in its group, so that its output ends', async () => {
    const { status, stdout } = await runIn('sh', 'sleep 303 & echo done', []);

    expect([status, stdout.toString()]).toEqual([0, 'done\n']);
  });

  it('does not end a command for writing more than the limit', async () => {
    const { status } = await runIn('sh', 'head -c 5000000 /dev/zero && exit 9', []);

    expect(status).toBe(9);
  });

  it('says that a script with a syntax error exited 2 and ran nothing', async () => {
    const { started, status, stdout, stderr } = await runIn('sh', 'echo a; if then', []);

    expect([started, status, stdout.toString()]).toEqual([true, 2, '']);
    expect(stderr).toContain('yntax error');
  });
});

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A home whose start-up files do all they can, in the language of the shell. */
function poisonedHome(shell: string): string {
  const at = mkdtempSync(join(home, `poison-${shell}-`));
  mkdirSync(join(at, '.config/fish'), { recursive: true });
  const names = ['printf', 'base64', 'timeout', 'head', 'sh', 'eval', 'env', 'du', 'echo', 'kill'];
  const posix = [
    'echo Welcome; echo Careful >&2; export PATH=/nowhere; export LC_ALL=tr_TR.UTF-8; umask 777',
    ...names.map((name) => `alias ${name}='echo poisoned'`),
    ...(shell === 'dash' ? [] : names.filter((n) => n !== 'eval').map((name) => `${name}() { /bin/false; }`)),
    shell === 'bash' ? `export -f ${names.filter((n) => n !== 'eval').join(' ')}` : '',
  ].join('\n');
  for (const file of ['.shrc', '.profile', '.bashrc', '.zshenv', '.kshrc'])
    writeFileSync(join(at, file), `${posix}\n`);
  const tcsh = [
    'echo Welcome',
    'setenv PATH /nowhere',
    ...names.map((name) => `alias ${name} echo poisoned`),
  ];
  for (const file of ['.tcshrc', '.cshrc', '.login']) writeFileSync(join(at, file), `${tcsh.join('\n')}\n`);
  const fish = ['echo Welcome', 'set -gx PATH /nowhere', ...names.map((n) => `alias ${n} 'false'`)];
  writeFileSync(join(at, '.config/fish/config.fish'), `${fish.join('\n')}\n`);
  return at;
}
