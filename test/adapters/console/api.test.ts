/**
 * The API that the page and the command line share: bodies in, facts out, events that lose nothing.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OpsError } from '../../../src/core/errors.ts';
import type { BoardEntry } from '../../../src/core/ports.ts';
import { until } from '../../contract/until.ts';
import { approvalId, runId, segment, text } from '../../contract/views.ts';
import type { Started } from './started.ts';
import { startConsole, token } from './started.ts';

const to = (thread: string) => ({ platform: 'console', channel: 'console', thread }) as const;

describe('the console API', () => {
  let it0: Started;
  beforeEach(async () => {
    it0 = await startConsole();
  });
  afterEach(() => it0.console.stop());

  it('makes an ask without a thread into a mention that opens one, the same thread on a repeat', async () => {
    const body = { text: '  check the disk ', id: 'event-0001' };
    const first = await (await it0.post('/api/ask', body)).json();
    const again = await (await it0.post('/api/ask', body)).json();

    expect(first).toEqual({
      thread: expect.stringMatching(/^t[0-9a-f]{16}$/),
      result: { kind: 'accepted', runId },
    });
    expect(again.thread).toBe(first.thread);
    expect(it0.inbox.mentions[1]).toEqual({ ...it0.inbox.mentions[0], at: expect.any(Number) });
    expect(it0.inbox.mentions[0]).toMatchObject({
      eventId: 'event-0001',
      conversation: to(first.thread),
      user: { platform: 'console', id: 'owner', name: 'owner' },
      groups: [],
      text: 'check the disk',
      addressed: true,
      opensThread: true,
    });
  });

  it('keeps an ask in the thread it names', async () => {
    const answer = await it0.post('/api/ask', { thread: 't1', text: 'and now?', id: 'event-0002' });

    expect(await answer.json()).toMatchObject({ thread: 't1' });
    expect(it0.inbox.mentions[0]).toMatchObject({ conversation: to('t1'), opensThread: false });
  });

  it('makes a run into a direct command with its values as typed', async () => {
    const params = { path: '/var/log; rm -rf /', count: '5' };
    await it0.post('/api/run', { command: 'largest_files', params, host: 'web-1', id: 'event-0003' });

    expect(it0.inbox.mentions[0]).toMatchObject({
      text: 'run largest_files path=/var/log; rm -rf / count=5 on web-1',
      direct: { command: 'largest_files', params, host: 'web-1' },
    });
  });

  it('brings a decision with where the button stood, or nowhere from the command line', async () => {
    it0.inbox.answerDecision = async () => ({ kind: 'late', text: 'Already denied by Grace.' });
    const digest = 'd'.repeat(32);
    const body = { approval: approvalId, verdict: 'deny', digest, reason: 'not now', id: 'event-0004' };
    const answer = await it0.post('/api/decide', { ...body, thread: 't1' });
    await it0.post('/api/decide', { approval: approvalId, verdict: 'approve', digest, id: 'event-0005' });

    expect(await answer.json()).toEqual({ kind: 'late', text: 'Already denied by Grace.' });
    expect(it0.inbox.decisions).toMatchObject([
      {
        approvalId,
        verdict: 'deny',
        digest,
        reason: 'not now',
        card: { conversation: to('t1'), message: approvalId },
      },
      { approvalId, verdict: 'approve', user: { id: 'owner' } },
    ]);
    expect(it0.inbox.decisions[1]).not.toHaveProperty('card');
  });

  it('brings a request to stop a run', async () => {
    const answer = await it0.post('/api/stop', { run: runId });

    expect(await answer.json()).toEqual({ kind: 'answered', text: 'Stopping.' });
    expect(it0.inbox.stops).toMatchObject([{ runId, user: { platform: 'console', id: 'owner' } }]);
  });

  it('answers a bad body with every problem at once and delivers nothing', async () => {
    const answer = await it0.post('/api/ask', { text: ' ', thread: '../x', id: 'x', admin: true });
    const { error } = await answer.json();

    expect(answer.status).toBe(400);
    expect(error.code).toBe('bad-request');
    for (const part of ['text: is empty', 'thread: must be', 'id: must be', 'admin'])
      expect(error.message).toContain(part);
    expect(error.problems).toHaveLength(4);
  });

  it.each([
    ['/api/ask', 'not json'],
    ['/api/ask', '[]'],
    ['/api/ask', 'null'],
    ['/api/ask', '{"text":"x","id":"event-0001","__proto__":{"thread":"t"}}'],
    ['/api/ask', JSON.stringify({ text: 'x'.repeat(8001), id: 'event-0001' })],
    ['/api/run', '{"command":"a;b","id":"event-0001"}'],
    ['/api/run', '{"command":"a","params":{"__proto__":"x"},"id":"event-0001"}'],
    ['/api/run', '{"command":"a","params":{"n":1},"id":"event-0001"}'],
    ['/api/run', '{"command":"a","host":"w\u200beb","id":"event-0001"}'],
    ['/api/decide', `{"approval":"r1","verdict":"approve","id":"event-0001"}`],
    ['/api/decide', `{"approval":"${approvalId}","verdict":"yes","digest":"dddddddd","id":"event-0001"}`],
    ['/api/decide', `{"approval":"${approvalId}","verdict":"approve","id":"event-0001"}`],
    ['/api/decide', `{"approval":"${approvalId}","verdict":"approve","digest":"x","id":"event-0001"}`],
    ['/api/stop', '{"run":"all"}'],
  ])('refuses a bad body of %s (%#)', async (path, body) => {
    const answer = await it0.post(path, body);

    expect(answer.status).toBe(400);
    expect((await answer.json()).error.code).toBe('bad-request');
    expect([it0.inbox.mentions, it0.inbox.decisions, it0.inbox.stops]).toEqual([[], [], []]);
  });

  it('refuses what is no JSON by its type and what is larger than 64 KiB', async () => {
    const authorization = `Bearer ${token}`;
    const form = await it0.post('/api/ask', 'text=x', { authorization, 'content-type': 'text/plain' });
    const large = await it0.post('/api/ask', { text: 'x', id: 'event-0001', more: 'y'.repeat(65_536) });

    expect([form.status, large.status]).toEqual([415, 413]);
    expect(it0.inbox.mentions).toEqual([]);
  });

  it('answers 503 in words when the store cannot be reached, and only after the inbox resolved', async () => {
    it0.inbox.answerMention = async () => {
      throw new OpsError('store-unavailable', 'Redis cannot be reached.', 'Try again.');
    };
    const answer = await it0.post('/api/ask', { text: 'x', id: 'event-0001' });

    expect(answer.status).toBe(503);
    expect((await answer.json()).error).toEqual({
      code: 'store-unavailable',
      message: 'Redis cannot be reached.',
      remedy: 'Try again.',
    });
  });

  it('says nothing of what went wrong inside', async () => {
    it0.inbox.answerMention = async () => {
      throw new Error('redis://:secret@host');
    };
    const answer = await it0.post('/api/ask', { text: 'x', id: 'event-0001' });

    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret');
    expect(it0.logger.lines.filter((line) => line.level === 'error')).toHaveLength(1);
  });

  it('tells health without a session: 503 while something is not up', async () => {
    expect([(await it0.get('/healthz', {})).status, await (await it0.get('/healthz', {})).json()]).toEqual([
      200,
      { ready: true, redis: 'up' },
    ]);
    await it0.console.stop();
    const directory = {
      commands: () => [],
      hosts: () => [],
      status: async () => ({ ready: false, redis: 'down' }),
    };
    it0 = await startConsole({ directory });
    expect((await it0.get('/healthz', {})).status).toBe(503);
  });

  it('lists threads, the entries of one in order, commands and hosts', async () => {
    await it0.console.post(to('t1'), 'a', segment([text('one')]), false);
    await it0.console.post(to('t1'), 'b', segment([text('two')]), false);
    await it0.console.edit(to('t1'), 'a', 'a', segment([text('one, edited')]));

    const { entries } = await (await it0.get('/api/threads/t1')).json();
    expect(entries.map((e: BoardEntry) => [e.key, e.order, e.seq])).toEqual([
      ['a', 1, 3],
      ['b', 2, 2],
    ]);
    expect((await (await it0.get('/api/threads')).json()).threads).toMatchObject([{ thread: 't1' }]);
    expect((await (await it0.get('/api/commands')).json()).commands).toHaveLength(3);
    expect((await (await it0.get('/api/hosts')).json()).hosts[0]).toEqual({ name: 'local', tier: 'local' });
    expect((await it0.get('/api/threads/..%2f')).status).toBe(404);
  });

  it('sends every put to every reader, and drops a reader that went away', async () => {
    const one = await listen(it0, '/api/events');
    const two = await listen(it0, '/api/events');
    await it0.console.post(to('t1'), 'a', segment([text('one')]), false);
    await until('both heard', () => one.entries.length === 1 && two.entries.length === 1);

    expect(one.entries[0]).toMatchObject({ thread: 't1', key: 'a', seq: 1 });
    expect(one.ids).toEqual(['t1:1']);
    one.close();
    two.close();
  });

  it('gives a reader that comes back after a restart what it missed, and nothing twice', async () => {
    await it0.console.post(to('t1'), 'a', segment([text('one')]), false);
    const first = await listen(it0, '/api/events?thread=t1');
    await until('the replay', () => first.entries.length === 1);
    await it0.console.stop();
    await until('the end of the line', () => first.ended());

    await it0.console.post(to('t1'), 'b', segment([text('meanwhile')]), false);
    await it0.console.post(to('t2'), 'x', segment([text('elsewhere')]), false);
    it0 = await startConsole({ port: it0.port, board: it0.board });
    const again = await listen(it0, '/api/events?thread=t1', { 'last-event-id': 't1:1' });
    await it0.console.post(to('t1'), 'c', segment([text('after')]), false);
    await until('the rest', () => again.entries.length === 2);

    expect(again.entries.map((e) => e.key)).toEqual(['b', 'c']);
    const since = await listen(it0, '/api/events?thread=t1&since=2');
    await until('from 3 on', () => since.entries.length === 1);
    expect(since.entries.map((e) => e.key)).toEqual(['c']);
    again.close();
    since.close();
  });

  it('ends promptly with readers connected, and lets go of the board', async () => {
    const reader = await listen(it0, '/api/events');
    const before = performance.now();
    await it0.console.stop();

    expect(performance.now() - before).toBeLessThan(2000);
    expect(it0.board.watchers).toBe(0);
    await until('the end of the line', () => reader.ended());
    await expect(it0.get('/healthz')).rejects.toThrow();
  });

  it('waits on stop for what it has handed to the inbox', async () => {
    const release = it0.inbox.hold();
    const answer = it0.post('/api/ask', { text: 'x', id: 'event-0001' });
    await until('the mention', () => it0.inbox.mentions.length === 1);
    const stopped = it0.console.stop();
    release();

    expect((await answer).status).toBe(200);
    await stopped;
  });
});

/** Reads an event stream; resolves once the server said hello. */
async function listen(it0: Started, path: string, headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const response = await fetch(it0.origin + path, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal: abort.signal,
  });
  const entries: BoardEntry[] = [];
  const ids: string[] = [];
  let hello = false;
  let ended = false;
  const reading = (async () => {
    let buffer = '';
    for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      buffer += chunk;
      const events = buffer.split('\n\n');
      buffer = events.pop() ?? '';
      for (const event of events) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(event)?.[1];
        if (field('event') === 'hello') hello = true;
        if (field('event') !== 'entry') continue;
        entries.push(JSON.parse(field('data') ?? '') as BoardEntry);
        ids.push(field('id') ?? '');
      }
    }
  })();
  reading.then(
    () => (ended = true),
    () => (ended = true),
  );
  await until('hello', () => hello);
  return { entries, ids, ended: () => ended, close: () => abort.abort() };
}
