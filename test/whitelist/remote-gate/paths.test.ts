/**
 * Paths with roots on the host itself: links, mounts and folders that somebody swaps while commands run. The race is
 * run until both ways to lose it were met, 1,000 times with CHECK_DEEP=1.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Risk } from '../../../src/core/command.ts';
import { until } from '../../contract/until.ts';
import { programPath } from '../../system-packages.mjs';
import { spec } from '../catalogue.ts';
import { ask, param, requestFor, writeGate } from './gate-fixture.ts';

const isRoot = process.getuid?.() === 0;
const RUNS = process.env.CHECK_DEEP ? 1000 : 12;
const MOST_RUNS = Math.max(RUNS, 200);
const LOST = ['leads out', 'changed'];
const CANARY = 'canary-3f1c';
const dir = realpathSync(mkdtempSync(join(tmpdir(), 'opsagent-gate-paths-')));
const root = join(dir, 'srv');
const outside = join(dir, 'outside');
for (const folder of [root, join(root, 'd'), outside]) mkdirSync(folder);
writeFileSync(join(outside, 'secret'), `${CANARY}\n`);
writeFileSync(join(root, 'd/file'), 'inside\n');
writeFileSync(join(root, 'ü & b'), 'odd\n');
symlinkSync(join(outside, 'secret'), join(root, 'l'));
symlinkSync(outside, join(root, 'dir'));
symlinkSync('d/file', join(root, 'in'));
symlinkSync('/etc/shadow', join(root, 'shadow'));
symlinkSync('/proc/self/root', join(root, 'proc'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const cat = (risk: Risk = 'read', roots = [root, join(dir, 'other')]) =>
  spec(`cat_${risk}`, 'cat -- {file}', { risk, params: [param('file', { kind: 'path', roots })] });
const gate = writeGate(join(dir, 'gate'), [cat(), cat('change')]);
const read = (file: string, risk: Risk = 'read') => ask(gate, requestFor(cat(risk), { file }));

describe('a path with roots', () => {
  it('is read where it is, through links that stay inside, whatever its name', {
    timeout: 30_000,
  }, async () => {
    expect((await read(join(root, 'd/file'))).stdout).toBe('inside\n');
    expect((await read(join(root, 'in'))).stdout).toBe('inside\n');
    expect((await read(join(root, 'ü & b'))).stdout).toBe('odd\n');
    expect(await read(join(root, 'd'))).toMatchObject({ status: 1, stdout: '' });
  });

  it('is refused where a link leads out, inside the frame and with the reason', async () => {
    for (const name of ['l', 'dir/secret', 'dir', 'shadow', 'proc/etc/passwd']) {
      const answer = await read(join(root, name));

      expect([name, answer.status, answer.stdout]).toEqual([name, 65, '']);
      expect(answer.stderr).toBe(`refused: the path leads out of ${root}, ${join(dir, 'other')}\n`);
    }
  });

  it('says what realpath says of a path that is not there', async () => {
    const answer = await read(join(root, 'no/such'));

    expect([answer.status, answer.stdout]).toEqual([65, '']);
    expect(answer.stderr).toContain('No such file');
  });

  it.runIf(isRoot)('is refused where something is mounted below the root', async () => {
    const mount = join(root, 'm n');
    mkdirSync(mount);
    try {
      execFileSync('mount', ['--bind', outside, mount], { stdio: 'pipe' });
    } catch {
      return expect(readFileSync('/proc/self/status', 'utf8')).toContain('CapEff');
    }
    try {
      const answer = await read(join(mount, 'secret'));

      expect([answer.status, answer.stdout]).toEqual([65, '']);
      expect(answer.stderr).toContain('leads out of');
    } finally {
      execFileSync('umount', [mount]);
    }
  });
});

describe.runIf(isRoot)('a folder in which others may write', () => {
  const open = join(root, 'open');

  it('is read when it has been quiet, and is not for a change', { timeout: 30_000 }, async () => {
    mkdirSync(open);
    writeFileSync(join(open, 'file'), 'open\n\n');
    chmodSync(open, 0o777);

    expect(await read(join(open, 'file'))).toMatchObject({
      status: 65,
      stdout: '',
      stderr: expect.stringContaining('has just changed'),
    });
    await until('a quiet folder', async () => (await read(join(open, 'file'))).status === 0, 6_000);
    expect((await read(join(open, 'file'))).stdout).toBe('open\n\n');
    expect((await read(join(open, 'file'), 'change')).stderr).toContain('refused: others may write in');
  });

  it('keeps stdout, stderr and exit status of what it holds back', { timeout: 30_000 }, async () => {
    const both = spec('both', 'cat -- {file}; echo err >&2; printf "a\\0b"; exit 7', {
      params: [param('file', { kind: 'path', roots: [root] })],
    });
    const file = writeGate(join(dir, 'both'), [both]);
    const run = () => ask(file, requestFor(both, { file: join(open, 'file') }));
    await until('a quiet folder', async () => (await run()).status === 7, 6_000);

    expect(await run()).toMatchObject({ status: 7, stdout: 'open\n\na\0b', stderr: 'err\n' });
  });

  it('says nothing of what it read when the folder changes meanwhile', { timeout: 30_000 }, async () => {
    const [begun, goOn] = [join(dir, 'begun'), join(dir, 'go-on')];
    const slow = spec('slow', `cat -- {file}; : >${begun}; until [ -e ${goOn} ]; do sleep 0.05; done`, {
      params: [param('file', { kind: 'path', roots: [root] })],
    });
    const file = writeGate(join(dir, 'slow'), [slow]);
    await until('a quiet folder', async () => (await read(join(open, 'file'))).status === 0, 6_000);

    const running = ask(file, requestFor(slow, { file: join(open, 'file') }));
    await until('the command', () => existsSync(begun), 20_000);
    writeFileSync(join(open, 'another'), '');
    writeFileSync(goOn, '');

    expect(await running).toMatchObject({
      status: 65,
      stdout: '',
      stderr: 'refused: a folder on the way, in which others may write, changed while the command ran\n',
    });
  });

  it('never gives what lies outside to somebody who swaps a file or a folder for a link', {
    timeout: 600_000,
  }, async () => {
    const race = join(root, 'race');
    mkdirSync(race);
    chownSync(race, 65_534, 65_534);
    mkdirSync(join(race, 'real'));
    writeFileSync(join(race, 'real/secret'), 'harmless\n');
    const swap = `cd ${race}; while :; do ln -sfn real d; ln -sfn ${outside} d; cp real/secret f; ln -sf ${outside}/secret f; rm -f f; done`;
    const swapper = spawn(programPath('dash') ?? 'sh', ['-c', swap], { stdio: 'ignore' });
    const ends = new Map<string, number>();
    const isMet = () => LOST.every((way) => [...ends.keys()].some((end) => end.includes(way)));
    try {
      for (let n = 0; n < RUNS || (!isMet() && n < MOST_RUNS); n++) {
        const answer = await read(join(race, n % 2 === 0 ? 'd/secret' : 'f'));
        expect(answer.raw.stdout + answer.raw.stderr).not.toContain(CANARY);
        const end = answer.stderr.replace(/ \/.*/, '');
        ends.set(end, (ends.get(end) ?? 0) + 1);
      }
    } finally {
      swapper.kill('SIGKILL');
    }
    // The race was there: the gate has met the link that leads out as well as the file.
    expect([isMet(), [...ends]]).toEqual([true, [...ends]]);
  });
});
