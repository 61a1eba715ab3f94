/**
 * Any value that a type accepts arrives byte for byte as one word, in every login shell; anything else is refused
 * with a reason, and nothing else ever runs. A few hundred values; more than 10,000 with CHECK_DEEP=1.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCatalogue } from '../../src/config/commands.ts';
import type { Param, ParamType } from '../../src/core/param.ts';
import { checkValue } from '../../src/core/params.ts';
import type { CommandRunner } from '../../src/core/ports.ts';
import { parseTemplate } from '../../src/core/template.ts';
import { createFrame } from '../../src/whitelist/frame.ts';
import { startLoopback } from '../../src/whitelist/loopback.ts';
import { remoteLine, STANDARD_PATH } from '../../src/whitelist/remote-line.ts';
import { render } from '../../src/whitelist/render.ts';
import { createSshRunner } from '../../src/whitelist/ssh/runner.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { needs } from '../needs.ts';
import { host, spec } from './catalogue.ts';

const SHELLS = ['dash', 'bash', 'zsh', 'fish', 'tcsh', 'ksh'] as const;
/** Runs for each shell, each with 16 values that were accepted: 384, or 11,520 with CHECK_DEEP=1. */
const RUNS = process.env.CHECK_DEEP ? 120 : 4;
const VALUES = 16;
const MARKER = '00112233445566778899aabbccddeeff';
const dir = mkdtempSync(join(tmpdir(), 'opsagent-typed-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const types: readonly ParamType[] = [
  { kind: 'path', roots: [] },
  { kind: 'unit' },
  { kind: 'container' },
  { kind: 'integer', min: 0, max: 99_999 },
  { kind: 'choice', values: ['100M', 'a b', "it's", '$(id)', '\\'] },
  { kind: 'host' },
  { kind: 'pid', min: 1, max: 4_194_304 },
  { kind: 'port', min: 1, max: 65_535 },
  { kind: 'duration', min: 1, max: 86_400 },
  { kind: 'text', maxLength: 200 },
  { kind: 'text', pattern: '^[\\p{L}\\p{N} .,:!?_-]+$', maxLength: 80 },
];
const breakers = [
  ...[
    "\\';touch PWNED;#",
    '\\',
    ';touch PWNED;#',
    '$(touch PWNED)',
    '`touch PWNED`',
    '!',
    '!!',
    '!$',
    "'",
    '"',
    "'\\''",
  ],
  ...[
    '|',
    '&',
    '>PWNED',
    '<x',
    '*',
    '?',
    '[a]',
    '{a,b}',
    '~',
    '$HOME',
    '${IFS}',
    '%s',
    '#',
    '\\x2d',
    '\\n',
    '%PATH%',
  ],
  ...[
    '-delete',
    '--files0-from=/etc/passwd',
    '-Hevil',
    '@file',
    '+x',
    '../../root/.ssh',
    '\n',
    '\r',
    '\0',
    '\t',
    '\u202e',
  ],
  ...[
    '/srv/My Files/ü',
    'getty@tty1.service',
    'dev-disk-by\\x2duuid-1.device',
    'compose-web-1',
    'web',
    '8080',
    '15m',
  ],
  ...['/', '.', '-', ':', '_', '@', ' ', 'é', '日本', '💥', '10.0.0.1', 'fe80::1', 'a.example', '7', '0'],
];
const raw = fc.oneof(
  fc.constantFrom(...breakers),
  fc.array(fc.constantFrom(...breakers), { minLength: 1, maxLength: 5 }).map((p) => p.join('')),
  fc.array(fc.constantFrom(...breakers), { minLength: 1, maxLength: 4 }).map((p) => `/${p.join('')}`),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map((text) => `/${text}`),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.stringMatching(/^[a-z0-9][a-z0-9@:._-]{0,20}$/),
  fc.nat({ max: 99_999 }).map(String),
  fc.tuple(fc.integer({ min: 1, max: 900 }), fc.constantFrom(...'smhd')).map(([n, u]) => `${n}${u}`),
);
const param = (type: ParamType, name = 'x'): Param => ({ name, description: '', type, optional: false });
const accepted = fc
  .tuple(fc.constantFrom(...types), raw)
  .filter(([type, value]) => checkValue(param(type), value).ok);

/** Every argument as hex between angle brackets: nothing of it can be mistaken. */
const echoAll = `for a do printf '<'; printf %s "$a" | od -An -v -tx1 | tr -d ' \\n'; printf '>'; done`;
const hex = (values: readonly string[]) =>
  values.map((v) => `<${Buffer.from(v, 'utf8').toString('hex')}>`).join('');

/** A command that takes these values, rendered for a host as any other is. */
function rendered(values: readonly (readonly [ParamType, string])[], script = echoAll) {
  const params = values.map(([type], i) => param(type, `p${i}`));
  const list = params.map((p) => `{${p.name}}`).join(' ');
  const { template } = parseTemplate(
    `set -- ${list}; ${script}`,
    params.map((p) => p.name),
  );
  const what = { ...spec('echo', 'true'), template, params };
  const result = render(what, Object.fromEntries(values.map(([, v], i) => [`p${i}`, v])), host);
  if (!result.ok) throw new Error(result.problems.join());
  return result.command;
}

async function runIn(shell: string, script: string, args: readonly string[]) {
  const line = remoteLine({ script, args, timeoutSeconds: 20, maxOutputBytes: 500_000, marker: MARKER });
  if (!line.ok) throw new Error(line.reason);
  const child = spawn(shell, ['-c', line.line], {
    cwd: dir,
    env: { HOME: dir, USER: 'ops', PATH: '/usr/bin:/bin' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = createFrame(MARKER, 500_000);
  const err = createFrame(MARKER, 500_000);
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  await new Promise((resolve) => child.once('close', resolve));
  return { stdout: out.body().toString(), stderr: err.body().toString(), status: out.status };
}

for (const shell of SHELLS) {
  needs(shell)(`values of every type in a ${shell} login shell`, () => {
    it('arrive byte for byte, one word each, and nothing else runs', { timeout: 600_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(accepted, { minLength: VALUES, maxLength: VALUES }), async (values) => {
          const { script, args } = rendered(values);

          const { stdout, stderr, status } = await runIn(shell, script, args);

          expect([stdout, stderr, status]).toEqual([hex(values.map(([, v]) => v)), '', 0]);
          expect(() => readFileSync(join(dir, 'PWNED'))).toThrow();
        }),
        { numRuns: RUNS },
      );
    });
  });
}

for (const shell of ['bash', 'fish', 'tcsh'] as const) {
  needs(shell)(`an SSH login whose shell is ${shell}`, () => {
    it('is handed every published quoting breaker as it is', { timeout: 60_000 }, async () => {
      const loopback = await startLoopback({ dir: join(dir, `keys-${shell}`), shell: `/usr/bin/${shell}` });
      const runner: CommandRunner = createSshRunner({ clock: { now: Date.now }, logger: recordingLogger() });
      const values = breakers.flatMap((value) =>
        types.flatMap((type) => (checkValue(param(type), value).ok ? [[type, value] as const] : [])),
      );
      try {
        const result = await runner.run(
          { ...rendered(values), maxOutputBytes: 500_000 },
          {
            ...host,
            port: loopback.port,
            user: loopback.user,
            keyFile: loopback.clientKeyFile,
            hostKey: { kind: 'fingerprint', sha256: loopback.hostKeySha256 },
          },
          new AbortController().signal,
        );

        expect(result.stdout).toBe(hex(values.map(([, v]) => v)));
        expect(values.length).toBeGreaterThan(60);
      } finally {
        await runner.close();
        await loopback.stop();
      }
    });
  });
}

describe('a value that its type does not take', () => {
  it('is refused with a reason that begins with the parameter', () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), raw, (type, value) => {
        const result = render({ ...spec('t', 'true'), params: [param(type)] }, { x: value }, host);
        if (result.ok) return;

        expect(result.problems).toHaveLength(1);
        expect(result.problems[0]).toMatch(/^x (?:is|holds|begins|does) .+\.$/s);
      }),
      { numRuns: process.env.CHECK_DEEP ? 20_000 : 300 },
    );
  });
});

describe('the shipped commands', () => {
  const { commands } = loadCatalogue('commands.yaml', readFileSync('config/commands.yaml', 'utf8'));
  const real: Partial<Record<ParamType['kind'], readonly string[]>> = {
    path: ['/srv/My Files/ü', '/', '/var/log/', "/srv/it's"],
    unit: ['getty@tty1.service', 'dev-disk-by\\x2duuid-1.device', 'nginx', 'user@1000.service'],
    container: ['compose-web-1', 'a1b2c3d4e5f6', 'my_app.1'],
  };

  it('accept the names that people really have', () => {
    let seen = 0;
    for (const { params } of commands)
      for (const p of params)
        for (const value of real[p.type.kind] ?? []) {
          expect(checkValue(p, value)).toEqual({ ok: true, value });
          seen += 1;
        }
    expect(seen).toBeGreaterThan(15);
  });

  it('break no rule of the floor with any of them', () => {
    for (const command of commands) {
      const given = Object.fromEntries(
        command.params.flatMap((p) => {
          const value = real[p.type.kind]?.[0] ?? p.default;
          return value === undefined ? [] : [[p.name, value]];
        }),
      );
      const result = render(command, given, host);

      expect(result.ok && result.command.floor).toBeUndefined();
    }
  });
});

describe('a path with allowed roots', () => {
  const root = join(dir, 'root');
  mkdirSync(join(root, 'in side'), { recursive: true });
  mkdirSync(join(dir, 'outside'));
  writeFileSync(join(root, 'in side', 'a'), 'inside');
  writeFileSync(join(dir, 'outside', 'secret'), 'CANARY');
  writeFileSync(join(dir, 'root-not'), 'CANARY');
  symlinkSync(join(dir, 'outside'), join(root, 'd'));
  symlinkSync(join(dir, 'outside', 'secret'), join(root, 'l'));
  symlinkSync(join(dir, 'outside', 'nothing'), join(root, 'dangling'));
  symlinkSync('in side', join(root, 'ok'));
  const type: ParamType = { kind: 'path', roots: [root] };
  const cat = {
    ...spec('cat', 'cat {x} {y}'),
    params: [param(type), { ...param(type, 'y'), optional: true }],
  };
  const template = parseTemplate('cat {x} {y}', ['x', 'y']).template;
  const run = async (values: Record<string, string>) => {
    const result = render({ ...cat, template }, values, host);
    if (!result.ok) return { refused: result.problems };
    return runIn('dash', result.command.script, result.command.args);
  };

  it('is read where links stay inside, whatever the other values are', async () => {
    expect(await run({ x: join(root, 'ok', 'a') })).toEqual({ stdout: 'inside', stderr: '', status: 0 });
    expect(await run({ x: join(root, 'in side/a'), y: join(root, 'ok/a') })).toMatchObject({
      stdout: 'insideinside',
    });
  });

  it('is refused on the far side where a link leads out', async () => {
    for (const name of ['l', 'd/secret', 'dangling'])
      expect(await run({ x: join(root, name) })).toMatchObject({ stdout: '', status: 65 });
    expect(await run({ x: join(root, 'ok/a'), y: join(root, 'l') })).toMatchObject({
      stdout: '',
      status: 65,
    });
    expect(await run({ x: join(dir, 'root-not') })).toHaveProperty('refused');
  });
});

describe('one command on a host with a PATH of recorders', () => {
  it('hands a value to sudo as a word behind --', async () => {
    const bin = join(dir, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'sudo'), '#!/bin/sh\nprintf "<%s>" "$@"\n');
    chmodSync(join(bin, 'sudo'), 0o755);
    const { commands } = loadCatalogue(
      'commands.yaml',
      'commands:\n  - { name: a, description: d, category: c, command_template: "systemctl restart {u}", risk: change, sudo: true, parameters: { u: { type: unit, description: d } } }',
    );
    const result = commands[0] && render(commands[0], { u: 'getty@tty1.service' }, host);
    if (!result?.ok) throw new Error('refused');
    const { script, args } = result.command;
    const path = `${bin}:${STANDARD_PATH}`;
    const line = remoteLine({ script, args, timeoutSeconds: 9, maxOutputBytes: 999, marker: MARKER, path });

    const out = createFrame(MARKER, 999);
    const child = spawn('sh', ['-c', line.ok ? line.line : ''], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    await new Promise((resolve) => child.once('close', resolve));

    expect(out.body().toString()).toBe('<-n><--><systemctl><restart><getty@tty1.service>');
  });
});
