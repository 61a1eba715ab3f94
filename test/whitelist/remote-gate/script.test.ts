/**
 * The gate's script in every POSIX shell of this machine: what it takes runs as it would without the gate, and of
 * everything else nothing runs.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tagOf } from '../../../src/whitelist/remote-line.ts';
import { needs } from '../../needs.ts';
import { programPath } from '../../system-packages.mjs';
import { spec } from '../catalogue.ts';
import { ask, envelope, MARKER, param, rawLines, rawRequest, requestFor, writeGate } from './gate-fixture.ts';

const dir = mkdtempSync(join(tmpdir(), 'opsagent-gate-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ran = join(dir, 'RAN');
const SHOW = `printf '<%s>' `;
const unit = { kind: 'unit' } as const;
const text = { kind: 'text', maxLength: 200 } as const;
const touch = spec('touch', `touch ${ran}`);
const show = spec('show', `${SHOW}{x}`, { params: [param('x', text)] });
const mixed = spec(
  'mixed',
  `${SHOW}{a} {more} {b} {rest} {c}; echo; printf '%s|' 'it'\\''s' "{d}" '{{.Names}}' {}`,
  {
    params: [
      param('a', unit),
      param('more', text, { several: 12 }),
      param('b', text, { optional: true }),
      param('rest', { kind: 'integer', min: 1, max: 99 }, { several: 3, optional: true }),
      param('c', { kind: 'choice', values: ['x y', "it's", '$(id)', '\\'] }, { default: 'x y' }),
    ],
  },
);
const catalogue = [touch, show, mixed];
const SHELLS: readonly (readonly [string, readonly string[]])[] = [
  ['dash', ['dash']],
  ['bash', ['bash', '--posix']],
  ['ksh', ['ksh']],
  ['busybox', ['busybox', 'sh']],
];

for (const [name, [program = '', ...options]] of SHELLS) {
  needs(name)(`the gate in ${name}`, () => {
    const shell = [programPath(program) ?? program, ...options];
    const gate = writeGate(join(dir, name), catalogue, shell.join(' '));
    const run = (line: string | undefined) => ask(gate, line, { shell });

    it('is text that the shell can read', () => {
      const [path = '', ...rest] = shell;
      execFileSync(path, [...rest, '-n', gate], { stdio: 'pipe' });
    });

    it('runs its own copy of a command, framed as without a gate', async () => {
      const answer = await run(requestFor(touch));

      expect([answer.status, answer.stdout, answer.stderr]).toEqual([0, '', '']);
      expect(answer.raw.stderr).toBe(`${MARKER} start\n${MARKER} end\n`);
      expect(existsSync(ran)).toBe(true);
      rmSync(ran);
    });

    it('puts optional, several and default values where they belong, one word each', async () => {
      const few = await run(requestFor(mixed, { a: 'nginx', more: 'p q' }));
      const many = await run(
        requestFor(mixed, { a: 'n@1', more: 'a\nb$(id)\n`id`\n"\n\'\n\\', b: '*', rest: '7\n8', c: "it's" }),
      );

      expect(few.stdout).toBe(`<nginx><p q><x y>\nit's|{d}|{{.Names}}|{}|`);
      expect(many.stdout).toBe(`<n@1><a><b$(id)><\`id\`><"><'><\\><*><7><8><it's>\nit's|{d}|{{.Names}}|{}|`);
    });

    it('refuses raw text, a login without a command and other programs in one line, with exit 65', async () => {
      for (const line of [
        undefined,
        '',
        'id',
        `touch ${ran}`,
        `id; touch ${ran}`,
        `$(touch ${ran})`,
        `opsagent-gate 1 $(touch ${ran})`,
        `${requestFor(touch)};touch ${ran}`,
        `${requestFor(touch)}\ntouch ${ran}`,
        ` ${requestFor(touch)}`,
        requestFor(touch).replace('gate 1', 'gate 2'),
        'internal-sftp',
        '/usr/lib/openssh/sftp-server',
        'scp -t /tmp',
        `opsagent-gate 1 1 ${'A'.repeat(100_000)}`,
      ]) {
        const answer = await run(line);

        expect([line, answer.code, answer.raw.stdout]).toEqual([line, 65, '']);
        expect(answer.raw.stderr).toMatch(/^opsagent gate: [^\n]+\n$/);
      }
      expect(existsSync(ran)).toBe(false);
    });
  });
}

describe('a request that is not whole', () => {
  const gate = writeGate(join(dir, 'whole'), catalogue);
  const refused = async (
    line: string,
    said = /cut or damaged|no end|requests of opsagent only|another version/,
  ) => {
    const answer = await ask(gate, line);
    expect([line, answer.code, answer.raw.stdout, existsSync(ran)]).toEqual([line, 65, '', false]);
    expect(answer.raw.stderr).toMatch(said);
  };
  const every = process.env.CHECK_DEEP ? 1 : 9;

  it('is refused when cut at any length', { timeout: 120_000 }, async () => {
    const line = requestFor(touch);
    for (let length = 0; length < line.length; length += every) await refused(line.slice(0, length));
    await refused(line.slice(0, -1));
    await refused(line.slice(0, -4));
  });

  it('is refused when its base64 is cut and the checksum is right again', { timeout: 120_000 }, async () => {
    const body = requestFor(touch).split(' ')[3] ?? '';
    const said = /cut or damaged|no end|too short|no call|not numbers|no kind|no command|another version/;
    for (let length = 0; length < body.length; length += every)
      await refused(envelope(body.slice(0, length)), said);
  });

  it('is refused when a character is another', { timeout: 120_000 }, async () => {
    const line = requestFor(touch);
    for (let at = 0; at < line.length; at += every) {
      const other = line.charAt(at) === 'A' ? 'B' : 'A';
      await refused(line.slice(0, at) + other + line.slice(at + 1));
    }
  });

  it('is refused with anything behind its end, with a NUL, or with base64 that is not canonical', async () => {
    const lines = rawLines(touch, []);
    const body = rawRequest(lines).split(' ')[3] ?? '';
    const encoded = (content: string) => envelope(Buffer.from(content, 'latin1').toString('base64'));

    await refused(encoded(`${lines.join('\n')}\n`), /no end|damaged/);
    await refused(encoded(`${lines.join('\n')}\0`));
    await refused(encoded(`${lines.join('\n').replace('touch', 'to\0uch')}`));
    await refused(encoded(`\n${lines.join('\n')}`), /empty line/);
    await refused(envelope(`${body}AAAA`), /no end|damaged/);
    await refused(envelope(body.replace(/=*$/, '')), /damaged/);
    await refused(envelope(`${body}=`));
  });
});

describe('a request by somebody who has the key', () => {
  const gate = writeGate(join(dir, 'key'), catalogue);
  const refused = async (lines: readonly string[], said: RegExp) => {
    const answer = await ask(gate, rawRequest(lines));
    expect([lines, answer.code, answer.raw.stdout, existsSync(ran)]).toEqual([lines, 65, '', false]);
    expect(answer.raw.stderr).toMatch(said);
  };

  it('runs as ours does, when it is right', async () => {
    expect((await ask(gate, rawRequest(rawLines(show, ['x=hi there'])))).stdout).toBe('<hi there>');
  });

  it('is refused for a command, a digest or a kind that the gate does not have', async () => {
    await refused(rawLines(touch, [], { id: 'reboot' }), /there is no command reboot/);
    await refused(rawLines(touch, [], { id: '$(id)' }), /names no command/);
    await refused(rawLines(touch, [], { digest: '0'.repeat(64) }), /another version of touch/);
    await refused(rawLines(touch, [], { digest: '' }), /empty line/);
    await refused(['shell', ...rawLines(touch, []).slice(1)], /no kind/);
    await refused(rawLines(touch, [], { limits: ['1e9', '-1'] }), /not numbers/);
    await refused(rawLines(touch, [], { limits: ['0', '1'] }), /not numbers/);
    await refused(rawLines(touch, []).with(1, 'x'.repeat(16)), /no call/);
    await refused(rawLines(touch, []).with(2, '$(id)'), /no call/);
  });

  it('is refused for values too many, too few, of other names or in another order', async () => {
    await refused(rawLines(touch, ['x=1']), /does not take/);
    await refused(rawLines(touch, ['end']), /does not take/);
    await refused(rawLines(show, []), /x is missing/);
    await refused(rawLines(show, ['x=1', 'x=2']), /does not take/);
    await refused(rawLines(show, ['x=1', 'touch']), /does not take/);
    await refused(rawLines(show, ['y=1']), /x is missing/);
    await refused(rawLines(show, ['x=end']).slice(0, -1), /no end/);
    await refused(rawLines(mixed, ['more=1', 'a=n', 'c=x y']), /a is missing/);
    const tooMany = Array.from({ length: 13 }, () => 'more=x');
    await refused(rawLines(mixed, ['a=n', ...tooMany, 'c=x y']), /more than 12/);
    // A value that is a whole parameter again would be taken twice, were it not for the number of words.
    await refused(rawLines(show, ['x=x=1']).slice(0, -1), /no end/);
  });

  it('is refused for a value of several lines', async () => {
    await refused(rawLines(show, ['x=a\nb']), /does not take/);
    await refused(rawLines(show, ['x=a\nx=b']), /does not take/);
    await refused(rawLines(show, ['x=a\n']), /empty line/);
  });

  it('gets no more time and bytes than the command has', async () => {
    const slow = spec('slow', 'yes | head -c 50000; sleep 60', { timeoutSeconds: 1, maxOutputBytes: 1000 });
    const file = writeGate(join(dir, 'slow'), [slow]);

    const answer = await ask(file, rawRequest(rawLines(slow, [], { limits: ['3600', '9999999'] })));

    expect(answer.status).toBe(124);
    expect(answer.stdout.length).toBe(1001);
  });

  it('is not let in with a terminal', () => {
    const { stdout, code } = inTerminal(gate, requestFor(touch));

    expect([stdout.trim(), code]).toEqual(['opsagent gate: this login has no terminal', 65]);
    expect(existsSync(ran)).toBe(false);
  });

  it('cannot change what the gate runs by variables or functions that it exports', async () => {
    const evil = `() { /usr/bin/touch ${ran}; }`;
    const env = {
      ENV: '/dev/null',
      IFS: 'x',
      CDPATH: '/tmp',
      PATH: dir,
      'BASH_FUNC_printf%%': evil,
      'BASH_FUNC_[%%': evil,
      'BASH_FUNC_cksum%%': evil,
    };
    for (const shell of [['/bin/sh'], [programPath('bash') ?? '', '--posix']]) {
      const answer = await ask(gate, requestFor(show, { x: 'ok' }), { shell, env });

      expect([answer.stdout, existsSync(ran)]).toEqual(['<ok>', false]);
    }
  });

  it('cannot end what is not a run of the gate, nor one whose tag it does not know', async () => {
    const mine = process.pid;
    const end = (group: string, tag: string) =>
      rawRequest(['end', tagOf({ marker: MARKER }), MARKER, group, tag, 'end']);

    expect((await ask(gate, end(String(mine), '0'.repeat(16)))).status).toBeDefined();
    expect(process.kill(mine, 0)).toBe(true);
    await refused(['end', tagOf({ marker: MARKER }), MARKER, '1', '0'.repeat(16), 'end'], /what to end/);
    await refused(['end', tagOf({ marker: MARKER }), MARKER, '-1', '0'.repeat(16), 'end'], /what to end/);
    await refused(['end', tagOf({ marker: MARKER }), MARKER, '1', '$(id)', 'end'], /what to end/);
  });
});

/** Runs the gate on a pseudo-terminal of script(1). */
function inTerminal(gate: string, line: string): { readonly stdout: string; readonly code: number } {
  try {
    const stdout = execFileSync(programPath('script') ?? '', ['-qec', gate, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, SSH_ORIGINAL_COMMAND: line },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return { stdout, code: 0 };
  } catch (error) {
    const { stdout, status } = error as { stdout: string; status: number };
    return { stdout, code: status };
  }
}
