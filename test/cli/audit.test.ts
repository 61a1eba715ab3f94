import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openAuditLog } from '../../src/backends/audit-log.ts';
import type { AuditEvent } from '../../src/core/event.ts';
import { main } from '../../src/main.ts';
import { type FixedClock, fixedClock } from '../fakes/fixed-clock.ts';

const run = 'r0123456789abcdef0123';
const call = `${run}-0`;
const other = `${run}-1`;
const today = '2026-11-23.whitelist.jsonl';
let root: string;
let clock: FixedClock;

const asked = { command: 'restart_service', host: 'web-1', risk: 'change', askers: ['slack:U1'] };
const target = { login: 'ops', address: '10.0.0.1', port: 22, hostKey: 'SHA256:abc' };
const line = 'systemctl restart nginx';
const story: readonly [string, AuditEvent][] = [
  ['bot', { kind: 'request.accepted', runId: run, who: 'slack:U1', data: { in: 'slack/C1/17.1' } }],
  [
    'whitelist',
    {
      kind: 'approval.asked',
      runId: run,
      callId: call,
      who: 'slack:U1',
      data: {
        ...asked,
        line,
        rule: 'ops',
        digest: 'd1',
        expiresAt: Date.UTC(2026, 10, 23, 4),
        targets: [{ host: 'web-1', ...target }],
      },
    },
  ],
  [
    'bot',
    {
      kind: 'approval.refused',
      runId: run,
      who: 'slack:U9',
      data: { approval: `${call}-a`, verdict: 'approve', why: 'You may not approve this.' },
    },
  ],
  [
    'bot',
    {
      kind: 'approval.voted',
      runId: run,
      callId: call,
      who: 'slack:U2',
      data: { approval: `${call}-a`, verdict: 'approve', digest: 'd1' },
    },
  ],
  [
    'whitelist',
    {
      kind: 'command.started',
      runId: run,
      callId: call,
      who: 'slack:U1',
      data: {
        ...asked,
        line,
        args: ['nginx'],
        ...target,
        digest: 'x1',
        rule: 'ops',
        approvers: ['slack:U2'],
        approved: 'd1',
      },
    },
  ],
  [
    'whitelist',
    {
      kind: 'command.ended',
      runId: run,
      callId: call,
      who: 'slack:U1',
      data: { ...asked, end: 'exited', outcome: 'exit code 0', ms: 12, bytes: 3, sha256: 'e3b0' },
    },
  ],
  [
    'whitelist',
    {
      kind: 'call.refused',
      runId: run,
      callId: other,
      who: 'slack:U1',
      data: { command: 'reboot', reason: 'no rule' },
    },
  ],
  ['bot', { kind: 'run.ended', runId: run, data: { how: 'finished' } }],
  [
    'bot',
    {
      kind: 'request.refused',
      who: 'slack:U9',
      data: { in: '=cmd|1!A1', what: 'a "quoted", \u001b[31mred\u202e word' },
    },
  ],
];

const opsagent = async (...words: string[]) => {
  let stdout = '';
  let stderr = '';
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text;
    return true;
  });
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
  process.exitCode = 0;
  process.stdout.setMaxListeners(0);
  await main(['audit', ...words]);
  const code = process.exitCode;
  process.exitCode = 0;
  out.mockRestore();
  err.mockRestore();
  return { code, stdout, stderr, lines: stdout.split('\n').slice(0, -1) };
};
const logFile = (name = today) => join(root, 'data', 'audit', name);

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'audit-cli-'));
  vi.stubEnv('OPSAGENT_DATA_DIR', join(root, 'data'));
  vi.stubEnv('AUDIT_ANCHOR', '');
  clock = fixedClock();
  const place = { kind: 'file', path: join(root, 'anchors') } as const;
  const anchor = { places: [place], every: 100, required: false };
  const common = { dir: join(root, 'data', 'audit'), clock, redact: (t: string) => t, anchor };
  const bot = await openAuditLog({ ...common, writer: 'bot' });
  const whitelist = await openAuditLog({ ...common, writer: 'whitelist' });
  for (const [writer, event] of story) {
    await (writer === 'bot' ? bot : whitelist).record(event);
    clock.advance(1000);
  }
  await Promise.all([bot.close(), whitelist.close()]);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

describe('opsagent audit verify', () => {
  it('says of a whole log without anchors that nothing proves its end', async () => {
    const plain = await opsagent('verify');
    const strict = await opsagent('verify', '--strict');

    expect([plain.code, strict.code]).toEqual([0, 6]);
    expect(plain.stdout).toMatch(/✓ whitelist: 4 lines, whole up to #4/);
    expect(plain.stdout).toMatch(/Unanchored: .*nothing proves that no lines were cut/);
  });

  it('says of one with anchors up to where they prove it', async () => {
    vi.stubEnv('AUDIT_ANCHOR', `file:${join(root, 'anchors')}`);
    const whole = await opsagent('verify', '--strict');
    writeFileSync(
      join(root, 'anchors'),
      readFileSync(join(root, 'anchors'), 'utf8').replace(/^.*"seq":4.*\n/m, ''),
    );
    const less = await opsagent('verify', '--strict');

    expect(whole).toMatchObject({ code: 0, stdout: expect.stringContaining('Anchored up to #4 at') });
    expect(less.code).toBe(6);
    expect(less.stdout).toMatch(/Anchored up to #1 at .*Unanchored: after #1 nothing proves/);
  });

  it('names the first bad line, and exits with 1', async () => {
    writeFileSync(logFile(), readFileSync(logFile(), 'utf8').replace('nginx', 'apache'));
    const found = await opsagent('verify');
    const json = JSON.parse((await opsagent('verify', '--json')).stdout);

    expect(found).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(`✗ whitelist: ${today} line 1, #1: the line does not match its hash`),
    });
    expect(json).toMatchObject({
      whole: false,
      proven: false,
      chains: [{ ok: true }, { ok: false, seq: 1 }],
    });
  });

  it('finds a cut tail and a deleted log by the anchors alone', async () => {
    const kept = readFileSync(logFile(), 'utf8').split('\n');
    writeFileSync(logFile(), `${kept[0]}\n`);
    expect((await opsagent('verify')).code).toBe(0);
    expect((await opsagent('verify', '--anchors', join(root, 'anchors'))).stdout).toMatch(
      /✗ whitelist: .* line 2, #2: it ends at #1, and #4 was anchored/,
    );

    rmSync(join(root, 'data', 'audit'), { recursive: true });
    expect(await opsagent('verify')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing proves that there was none'),
    });
    expect((await opsagent('verify', '--anchors', join(root, 'anchors'))).code).toBe(1);
  });

  it('takes a line that a crash cut short for what it is', async () => {
    appendFileSync(logFile(), '{"seq":5');
    const found = await opsagent('verify', '--anchors', join(root, 'anchors'));
    expect(found).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('ends in 8 bytes without a newline'),
    });
  });

  it('refuses a file of anchors that is not there, and a day that is none', async () => {
    expect(await opsagent('verify', '--anchors', join(root, 'none'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('ENOENT'),
    });
    expect((await opsagent('verify', '--from', 'monday')).code).toBe(2);
  });
});

describe('opsagent audit why', () => {
  it('tells one run over all writers in order, and that the chains hold', async () => {
    const told = await opsagent('why', run, '--anchors', join(root, 'anchors'));

    expect(told.code).toBe(0);
    expect(told.lines).toEqual([
      `Run ${run}`,
      '2026-11-23T03:00:00.000Z  bot#1          slack:U1 asked in slack/C1/17.1',
      '2026-11-23T03:00:01.000Z  whitelist#1    approval asked for: systemctl restart nginx on web-1 = ops@10.0.0.1:22 (key SHA256:abc) (change) by rule ops card digest d1 open until 2026-11-23T04:00:00.000Z',
      '2026-11-23T03:00:02.000Z  bot#2          a click of slack:U9 was refused: approve, You may not approve this.',
      '2026-11-23T03:00:03.000Z  bot#3          slack:U2 clicked approve on digest d1',
      '2026-11-23T03:00:04.000Z  whitelist#2    started systemctl restart nginx on web-1 with ["nginx"] at ops@10.0.0.1:22 (key SHA256:abc) allowed by rule ops approved by ["slack:U2"] for card digest d1 digest x1',
      '2026-11-23T03:00:05.000Z  whitelist#3    ended on web-1 — exit code 0 after 12 ms, 3 bytes of output, sha256 e3b0',
      '2026-11-23T03:00:06.000Z  whitelist#4    refused to run reboot — no rule',
      '2026-11-23T03:00:07.000Z  bot#4          the run ended: finished',
      '',
      '✓ bot #1–#4: the chain holds, anchored (up to #5 at 2026-11-23T03:00:09.000Z).',
      '✓ whitelist #1–#4: the chain holds, anchored (up to #4 at 2026-11-23T03:00:09.000Z).',
    ]);
  });

  it('takes the id of a call or an approval, and then leaves other calls out', async () => {
    for (const id of [call, `${call}-a`]) {
      const { stdout } = await opsagent('why', id);
      expect(stdout).toContain('a click of slack:U9 was refused');
      expect(stdout).not.toContain('reboot');
    }
    expect((await opsagent('why', other)).stdout).not.toContain('nginx');
  });

  it('does not vouch for lines of a chain that is broken', async () => {
    writeFileSync(logFile(), readFileSync(logFile(), 'utf8').replace('reboot', 'uptime'));
    const told = await opsagent('why', run);
    expect(told.code).toBe(1);
    expect(told.stdout).toMatch(
      /✗ whitelist #1–#4: the chain does not hold: .*line 4: .*Do not rely on these lines/,
    );
  });

  it('says so when there is nothing about it, or it is no id', async () => {
    expect(await opsagent('why', 'r00000000000000000000')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('nothing about'),
    });
    expect((await opsagent('why', 'nginx')).code).toBe(2);
  });
});

describe('opsagent audit show', () => {
  it.each<[string, string[], string[]]>([
    ['--run', ['--run', run, '--kind', 'run.ended'], ['run.ended']],
    ['--who, asker or clicker', ['--who', 'slack:U2'], ['approval.voted']],
    ['--host', ['--host', 'web-1'], ['approval.asked', 'command.started', 'command.ended']],
    ['--since', ['--since', '2026-11-23T03:00:07Z'], ['run.ended', 'request.refused']],
    ['--until', ['--until', '2026-11-23T03:00:01'], ['request.accepted']],
    ['--last', ['--last', '2'], ['run.ended', 'request.refused']],
  ])('filters by %s', async (_, options, kinds) => {
    const shown = await opsagent('show', '--json', ...options);
    expect(shown.lines.map((l) => JSON.parse(l).kind)).toEqual(kinds);
  });

  it('prints a table in which nothing is hidden and no cell breaks its line', async () => {
    const shown = await opsagent('show');
    expect(shown.lines).toHaveLength(story.length + 1);
    expect(shown.lines[0]).toMatch(/^TIME +WRITER +KIND +WHO +RUN +HOST +WHAT$/);
    expect(shown.stdout).not.toMatch(/[\u001b\u202e]/);
    expect(shown.lines.at(-1)).toContain('\\x1b[31mred\\u202e word');
  });

  it('says how many lines it left out, and refuses a time that is none', async () => {
    expect((await opsagent('show', '--last', '2')).stderr).toMatch(/^7 earlier lines/);
    expect(await opsagent('show', '--since', 'soon')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--since soon is no time'),
    });
  });
});

describe('opsagent audit export', () => {
  it('gives the lines as they are, so that their hashes can be checked again', async () => {
    const all = await opsagent('export', '--kind', 'command.started');
    expect(all.lines).toEqual(readFileSync(logFile(), 'utf8').split('\n').slice(1, 2));
  });

  it('gives RFC 4180 in which nothing is a formula for a spreadsheet', async () => {
    appendFileSync(
      logFile('2026-11-23.cli.jsonl'),
      `${JSON.stringify({ seq: 1, prev: '', at: '2026-11-23T09:00:00.000Z', writer: 'cli', kind: 'x', who: '@SUM(1)', runId: '=1+1', callId: '-2', hash: '+' })}\n`,
    );
    const { stdout } = await opsagent('export', '--format', 'csv');
    const rows = stdout.split('\r\n');

    expect(rows[0]).toBe('at,writer,seq,kind,who,run,call,host,data,prev,hash');
    expect(rows).toHaveLength(story.length + 3);
    expect(rows[9]).toContain(
      '"{""in"":""=cmd|1!A1"",""what"":""a \\""quoted\\"", \\u001b[31mred\\u202e word""}"',
    );
    expect(rows[10]).toBe("2026-11-23T09:00:00.000Z,cli,1,x,'@SUM(1),'=1+1,'-2,,,,'+");
    expect(stdout).not.toMatch(/[\u001b\u202e]/);
  });
});
