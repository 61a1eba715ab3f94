/**
 * Each read of the shipped catalogue gives the same bytes through the gate as without it, and a run can be kept,
 * collected, forgotten and ended through it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCatalogue } from '../../../src/config/commands.ts';
import type { CommandSpec } from '../../../src/core/command.ts';
import { createFrame } from '../../../src/whitelist/frame.ts';
import { gateLine } from '../../../src/whitelist/remote-gate/request.ts';
import { gateScript } from '../../../src/whitelist/remote-gate/script.ts';
import { FORGET } from '../../../src/whitelist/remote-kept.ts';
import { type RemoteLine, remoteLine, tagOf } from '../../../src/whitelist/remote-line.ts';
import { END_RUN } from '../../../src/whitelist/remote-script.ts';
import { render } from '../../../src/whitelist/render.ts';
import { until } from '../../contract/until.ts';
import { spec } from '../catalogue.ts';
import { type Answer, ask, gateHost, MARKER, requestFor, writeGate } from './gate-fixture.ts';

const home = mkdtempSync(join(tmpdir(), 'opsagent-gate-reads-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const shipped = loadCatalogue('commands.yaml', readFileSync('config/commands.yaml', 'utf8')).commands;
const values: Readonly<Record<string, string>> = { path: '/etc', service: 'ssh.service', container: 'web' };

const given = (command: CommandSpec) =>
  Object.fromEntries(command.params.flatMap((p) => (values[p.name] ? [[p.name, values[p.name] ?? '']] : [])));
const lineOf = (line: RemoteLine): string => {
  if (!line.ok) throw new Error(line.reason);
  return line.line;
};
const renderedOf = (command: CommandSpec) => {
  const rendered = render(command, given(command), gateHost);
  if (!rendered.ok) throw new Error(rendered.problems.join(' '));
  return rendered.command;
};

/** Without the gate: the remote line as a login shell gets it. */
async function plain(command: CommandSpec): Promise<Pick<Answer, 'status' | 'stdout' | 'stderr'>> {
  const { script, args, timeoutSeconds, maxOutputBytes } = renderedOf(command);
  const line = lineOf(remoteLine({ script, args, timeoutSeconds, maxOutputBytes, marker: MARKER }));
  const child = spawn('/bin/sh', ['-c', line], {
    cwd: '/',
    env: { HOME: '/', USER: 'ops' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = createFrame(MARKER, 1_000_000);
  const err = createFrame(MARKER, 1_000_000);
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  await new Promise((resolve) => child.once('close', resolve));
  return { status: out.status, stdout: out.body().toString(), stderr: err.body().toString() };
}

describe('the shipped catalogue', () => {
  const reads = shipped.filter((command) => command.risk === 'read');
  const gate = writeGate(join(home, 'gate'), shipped);

  it('is in the gate as a whole, and no command of it runs as root', () => {
    const { left, asRoot } = gateScript(shipped, gateHost);

    expect([left, asRoot]).toEqual([[], []]);
    expect(shipped.length).toBeGreaterThan(40);
  });

  it('gives the same bytes through the gate', { timeout: 120_000 }, async () => {
    let same = 0;
    for (const command of reads) {
      let seen: readonly string[] = [];
      for (let attempt = 0; attempt < 5 && !seen.includes('same'); attempt++) {
        const before = await plain(command);
        const { status, stdout, stderr } = await ask(gate, requestFor(command, given(command)));
        const after = await plain(command);
        const equals = (one: typeof before) => one.stdout === stdout && one.stderr === stderr;
        // Numbers that move (load, memory, processes) also move without the gate; their form has to be the same.
        const moved =
          COUNTS_US.has(command.name) || before.stdout !== after.stdout || before.stderr !== after.stderr;
        seen = [...seen, equals(before) || equals(after) ? 'same' : moved ? 'moved' : 'other'];
        // What grows and shrinks with the processes of this very run is held by its exit code.
        if (command.name === 'process_tree') {
          expect([command.name, status]).toEqual([command.name, before.status]);
          continue;
        }
        expect([command.name, status, form(stdout)]).toEqual([
          command.name,
          before.status,
          form(before.stdout),
        ]);
      }
      expect([command.name, seen.at(-1)]).toEqual([command.name, expect.stringMatching('same|moved')]);
      if (seen.includes('same')) same += 1;
    }
    expect(same).toBeGreaterThan(reads.length / 2);
  });
});

/** They count processes, and the gate is some. */
const COUNTS_US: ReadonlySet<string> = new Set(['process_count']);
/** First line without its numbers. */
const form = (text: string) => (text.split('\n')[0] ?? '').replace(/[\d.,:]+/g, '0').replace(/\s+/g, ' ');

describe('a run through the gate', () => {
  const slow = spec('slow', 'echo begun; sleep 310', { timeoutSeconds: 60 });
  const escaping = spec('escaping', 'setsid sleep 311 & setsid env -i sleep 312 & echo begun; sleep 313', {
    timeoutSeconds: 60,
  });
  const quick = spec('quick', 'echo out; echo err >&2; exit 3');
  const gate = writeGate(join(home, 'runs'), [slow, escaping, quick]);
  const other = 'ffeeddccbbaa99887766554433221100';
  const endLine = (group: string, tag: string) =>
    lineOf(gateLine({ command: { script: END_RUN, args: [group, tag] }, marker: other }));
  mkdirSync(join(home, 'kept'));
  const cwd = join(home, 'kept');

  it('is ended from another channel with what has left its group, and only by who knows it', {
    timeout: 30_000,
  }, async () => {
    for (const command of [slow, escaping]) {
      const { child, group } = await begun(gate, requestFor(command));
      await until('its processes', () => running(/^(?:env -i )?sleep 31[03]$/), 8000);
      const tag = tagOf({ marker: MARKER });
      const end = (over: { tag?: string; group?: string } = {}) =>
        askAs(gate, other, endLine(over.group ?? String(group), over.tag ?? tag));

      expect(await end({ tag: '0'.repeat(16) })).toBe(1);
      expect(alive(group)).toBe(true);
      expect(await end({ group: command === slow ? String(group) : '' })).toBe(0);
      expect(await end()).toBe(0);

      expect([alive(group), running(/^(?:env -i )?sleep 31[0-3]$/)]).toEqual([false, false]);
      await child;
    }
  });

  it('is ended even when its group was told wrong, and no other group with it', {
    timeout: 30_000,
  }, async () => {
    const bystander = spawn('sleep', ['314'], { stdio: 'ignore', detached: true });
    const { child, group } = await begun(gate, requestFor(slow));

    await askAs(gate, other, endLine(String(bystander.pid), tagOf({ marker: MARKER })));

    expect([alive(group), alive(bystander.pid ?? 0)]).toEqual([false, true]);
    bystander.kill('SIGKILL');
    await child;
  });

  it('is no script: only ours that end and forget have a request', () => {
    const line = gateLine({ command: { script: 'id', args: [] }, marker: MARKER });

    expect(line).toEqual({ ok: false, reason: 'the gate takes commands of the catalogue only' });
  });

  it('is kept, collected by its id and forgotten', { timeout: 30_000 }, async () => {
    const command = renderedOf(quick);
    const kept = (collect: boolean, marker = MARKER) =>
      lineOf(gateLine({ command, marker, kept: { id: 'r-7', collect } }));

    const first = await ask(gate, kept(false), { cwd });
    const second = await ask(gate, kept(false), { cwd });
    const collected = await ask(gate, kept(true), { cwd });

    expect(first).toMatchObject({ status: 3, stdout: 'out\n', stderr: 'err\n' });
    expect(second.raw.stdout).toContain(`${MARKER} kept\n`);
    expect([second.status, second.stdout]).toEqual([undefined, '']);
    expect(collected).toMatchObject({ status: 3, stdout: 'out\n', stderr: 'err\n' });
    const forgotten = await ask(
      gate,
      lineOf(gateLine({ command: { script: FORGET, args: ['r-7', 'r-8'] }, marker: MARKER })),
      {
        cwd,
      },
    );
    expect(forgotten.status).toBe(0);
    expect((await ask(gate, kept(true), { cwd })).stdout).toBe('');
  });
});

/** Starts a request and resolves when it has said which group it is. */
async function begun(gate: string, line: string): Promise<{ child: Promise<unknown>; group: number }> {
  const child = spawn(gate, [], {
    env: { HOME: '/', SSH_ORIGINAL_COMMAND: line },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const frame = createFrame(MARKER, 1000);
  child.stdout.on('data', (chunk: Buffer) => frame.push(chunk));
  const closed = new Promise((resolve) => child.once('close', resolve));
  await until('the group', () => frame.group !== undefined, 8000);
  return { child: closed, group: frame.group ?? 0 };
}

/** Exit status of a request with a marker of its own. */
async function askAs(gate: string, marker: string, line: string): Promise<number | undefined> {
  const frame = createFrame(marker, 1000);
  frame.push(Buffer.from((await ask(gate, line)).raw.stdout));
  return frame.status;
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function running(commandLine: RegExp): boolean {
  return processes().some((line) => commandLine.test(line));
}

function processes(): readonly string[] {
  return execFileSync('ps', ['-A', '-o', 'stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => !line.startsWith('Z'))
    .map((line) => line.replace(/^\S+\s+/, ''));
}
