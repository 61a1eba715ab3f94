import { createSocket } from 'node:dgram';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAnchors } from '../../src/backends/audit-anchors.ts';
import { type NamedAuditLog, openAuditLog } from '../../src/backends/audit-log.ts';
import { readAudit } from '../../src/backends/audit-read.ts';
import { verifyAudit } from '../../src/backends/audit-verify.ts';
import type { AnchorPlace, AnchorSettings } from '../../src/core/anchor.ts';
import { until } from '../contract/until.ts';
import { type FixedClock, fixedClock } from '../fakes/fixed-clock.ts';
import { type RecordingLogger, recordingLogger } from '../fakes/logger.ts';

let root: string;
let dir: string;
let file: string;
let clock: FixedClock;
let logger: RecordingLogger;
let log: NamedAuditLog | undefined;

const start = async (place: AnchorPlace, over: Partial<AnchorSettings> = {}) => {
  const anchor = { places: [place], every: 10, required: false, ...over };
  log = await openAuditLog({ dir, writer: 'whitelist', clock, redact: (t) => t, logger, anchor });
  return log;
};
const note = (n: number) => ({ kind: 'run.ended', runId: `run-${n}` }) as const;
const change = { kind: 'command.started', runId: 'the-change', data: { risk: 'change' } } as const;
const anchored = () => (existsSync(file) ? readAnchors(file).anchors.map((a) => a.seq) : []);
const kinds = () => readAudit(dir).map((e) => e.kind);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'audit-anchor-'));
  dir = join(root, 'audit');
  file = join(root, 'anchors.jsonl');
  clock = fixedClock();
  logger = recordingLogger();
});
afterEach(async () => {
  await log?.close();
  log = undefined;
  rmSync(root, { recursive: true });
});

describe('the end of the log is anchored', () => {
  it('at the first line, every so many lines, at the end of a day and at the stop', async () => {
    const audit = await start({ kind: 'file', path: file });
    for (let n = 1; n <= 23; n++) {
      await audit.record(note(n));
      if (n === 1 || n === 11 || n === 21) await until(`anchor ${n}`, () => anchored().at(-1) === n);
    }
    clock.advance(24 * 3600_000);
    await audit.record(note(24));
    await until('the anchor of the end of the day', () => anchored().at(-1) === 23);
    await audit.record(note(25));
    await audit.close();

    const { anchors } = readAnchors(file);
    expect(anchors.map((a) => a.seq)).toEqual([1, 11, 21, 23, 25]);
    expect(anchors.at(-1)).toEqual({
      writer: 'whitelist',
      file: '2026-11-24.whitelist.jsonl',
      seq: 25,
      hash: readAudit(dir).at(-1)?.hash,
      count: 2,
      at: '2026-11-24T03:00:00.000Z',
    });
    expect(verifyAudit(dir, { anchors })).toMatchObject([{ ok: true, seq: 25, anchoredTo: 25 }]);
  });

  it('again after each start, and lines of reads only once they are on disk', async () => {
    await (await start({ kind: 'file', path: file })).record(note(1));
    await log?.close();
    const audit = await start({ kind: 'file', path: file });
    await audit.record({ ...change, data: { risk: 'read' } });
    await until('the anchor of the second start', () => anchored().at(-1) === 2);

    expect(anchored()).toEqual([1, 2]);
  });

  it('behind a line that a crash cut short in the file of anchors', async () => {
    writeFileSync(file, '{"writer":"wh');
    await (await start({ kind: 'file', path: file })).record(note(1));
    await log?.close();

    expect(readAnchors(file)).toMatchObject({ anchors: [{ seq: 1 }], unreadable: [1] });
  });
});

describe('a place that does not take anchors', () => {
  it('is said in the log and in the audit log, and changes go on', async () => {
    const audit = await start({ kind: 'file', path: join(root, 'none', 'anchors.jsonl') });
    await audit.record(note(1));
    await until('the line that says so', () => kinds().includes('anchor.failed'));
    await audit.record(change);

    expect(logger.lines.filter((l) => l.level === 'error')).toMatchObject([
      { message: 'the audit log cannot be anchored', fields: { problem: expect.stringContaining('ENOENT') } },
    ]);
    expect(kinds().filter((k) => k === 'anchor.failed')).toHaveLength(1);
  });

  it.each(['/dev/null', '/dev/full'])('is not taken for a file when it is %s', async (path) => {
    await (await start({ kind: 'file', path })).record(note(1));
    await until('the line that says so', () => kinds().includes('anchor.failed'));
    expect(readAudit(dir).at(-1)?.data?.problem).toBe(`${path}: it is no plain file`);
  });

  it('refuses changes and nothing else where anchors are required, until it takes them again', async () => {
    const server = await listening();
    const { port } = server;
    await server.close();
    const audit = await start({ kind: 'syslog-tcp', host: '127.0.0.1', port }, { required: true });
    await audit.record(note(1));
    await until('the line that says so', () => kinds().includes('anchor.failed'));

    await expect(audit.record(change)).rejects.toMatchObject({
      problem: {
        code: 'audit-unwritable',
        message: expect.stringMatching(/cannot be anchored \(.*ECONNREFUSED.*\), so no change is run/),
      },
    });
    await audit.record({ ...change, runId: 'a-read', data: { risk: 'read' } });
    expect(readAudit(dir).map((e) => e.runId)).not.toContain('the-change');
    const again = await listening(port);
    await audit.record(change);

    expect(readAudit(dir).map((e) => e.runId)).toContain('the-change');
    await until('the line that says so', () => kinds().includes('anchor.restored'));
    await audit.close();
    await again.close();
    expect(verifyAudit(dir)).toMatchObject([{ ok: true }]);
  });
});

const header = /^<85>1 2026-11-23T03:00:00\.000Z \S+ opsagent \d+ anchor - opsagent-anchor \{/;

describe('anchors by syslog', () => {
  it('arrive over UDP as RFC 5424, and what the receiver kept proves the log', async () => {
    const got: string[] = [];
    const socket = createSocket('udp4').on('message', (m) => got.push(m.toString()));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    await (await start({ kind: 'syslog-udp', host: '127.0.0.1', port: socket.address().port })).record(
      note(1),
    );
    await until('a message', () => got.length > 0);
    socket.close();

    expect(got[0]).toMatch(header);
    proves(got);
  });

  it('arrive over TCP, each with its length before it (RFC 6587)', async () => {
    const server = await listening();
    await (await start({ kind: 'syslog-tcp', host: '127.0.0.1', port: server.port })).record(note(1));
    await until('a message', () => server.got().includes('}'));
    await log?.close();
    await server.close();

    const [, length = '', message = ''] = /^(\d+) (.*)$/s.exec(server.got()) ?? [];
    expect(Buffer.byteLength(message)).toBe(Number(length));
    expect(message).toMatch(header);
    proves([message]);
  });

  it.runIf(existsSync('/usr/bin/logger'))('reach the socket of this machine through logger', async () => {
    const socket = join(root, 'log');
    const server = await listening(socket);
    await (await start({ kind: 'syslog', socket })).record(note(1));
    await until('a message', () => server.got().includes('}'));
    await log?.close();
    await server.close();

    proves([server.got()]);
  });

  it.runIf(existsSync('/usr/bin/logger'))('are said to have failed where nobody listens', async () => {
    await (await start({ kind: 'syslog', socket: join(root, 'nobody') })).record(note(1));
    await until('the line that says so', () => kinds().includes('anchor.failed'));
    expect(readAudit(dir).at(-1)?.data?.problem).toMatch(/No such file/);
  });

  /** The messages between others in a file, as syslogd writes them. */
  function proves(messages: readonly string[]) {
    const kept = join(root, 'auth.log');
    writeFileSync(kept, ['Nov 23 sshd[1]: session opened', ...messages.map((m) => m.trim()), ''].join('\n'));
    const { anchors, unreadable } = readAnchors(kept);
    expect(unreadable).toEqual([]);
    expect(verifyAudit(dir, { anchors })).toMatchObject([{ ok: true, anchoredTo: 1 }]);
    writeFileSync(join(dir, '2026-11-23.whitelist.jsonl'), '');
    expect(verifyAudit(dir, { anchors })).toMatchObject([{ ok: false, seq: 1 }]);
  }
});

/** A receiver that keeps what it reads and hangs up when its peer does. */
async function listening(at: number | string = 0) {
  let got = '';
  const server: Server = createServer((socket) =>
    socket.on('data', (data) => {
      got += data.toString();
    }),
  );
  await new Promise<void>((resolve) =>
    typeof at === 'string' ? server.listen(at, resolve) : server.listen(at, '127.0.0.1', resolve),
  );
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    got: () => got,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
