/**
 * Who may speak to the console: the rules over header values, and the same over real HTTP.
 */
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allAccounts } from '../../../adapters/console/accounts.ts';
import { createGuard, isLoopback } from '../../../adapters/console/guard.ts';
import { createConsole } from '../../../adapters/console/index.ts';
import { OpsError } from '../../../src/core/errors.ts';
import type { Started } from './started.ts';
import { consoleOptions, startConsole, testPeople, token } from './started.ts';

const ask = { text: 'check the disk', id: 'event-0001' };

describe('the console over HTTP', () => {
  let it0: Started;
  beforeEach(async () => {
    it0 = await startConsole();
  });
  afterEach(() => it0.console.stop());

  it('answers only to its own Host, before anything else', async () => {
    for (const host of [
      'evil.example',
      `evil.example:${it0.port}`,
      '127.0.0.1:1',
      'localhost.evil.example',
      '127.0.0.1',
    ])
      expect([host, await statusFor(it0, '/healthz', host)]).toEqual([host, 403]);
    for (const name of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]'])
      expect([name, await statusFor(it0, '/healthz', `${name}:${it0.port}`)]).toEqual([name, 200]);
  });

  it('answers 401 to everything but health without a session', async () => {
    for (const path of ['/', '/t/abc', '/app.js', '/api/threads', '/api/events', '/nothing', '/?token=wrong'])
      expect([path, (await it0.get(path, {})).status]).toEqual([path, 401]);
    for (const path of ['/api/ask', '/api/run', '/api/decide', '/api/stop'])
      expect([path, (await it0.post(path, ask, { origin: it0.origin })).status]).toEqual([path, 401]);
    expect(await (await it0.get('/', {})).text()).toContain('link that opsagent printed');
    expect(it0.inbox.mentions).toEqual([]);
  });

  it('sends the token back out of any address as it was sent, so that no header can be written by it', async () => {
    const answer = await it0.get(`/t/%0d%0aSet-Cookie:a=b?token=${token}`, {});

    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/t/%0d%0aSet-Cookie:a=b');
    expect(answer.headers.getSetCookie()).toHaveLength(1);
  });

  it('takes the token once, out of the address, for a cookie that does not hold it', async () => {
    const first = await it0.get(`/t/abc?token=${token}`, {});
    const cookie = first.headers.get('set-cookie') ?? '';

    expect([first.status, first.headers.get('location')]).toEqual([303, '/t/abc']);
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict/);
    expect(cookie).not.toContain(token);
    expect((await it0.get('/t/abc', { cookie: cookie.split(';')[0] ?? '' })).status).toBe(200);
    expect((await it0.get('/api/threads', { cookie: `opsagent_${it0.port}=wrong` })).status).toBe(401);
  });

  it('keeps a browser signed in over a restart', async () => {
    const cookie = await signIn(it0);
    await it0.console.stop();
    it0 = await startConsole({ port: it0.port });

    expect((await it0.get('/api/threads', { cookie })).status).toBe(200);
  });

  it('takes a change from its own origin or from a bearer, and from nothing else', async () => {
    const cookie = await signIn(it0);
    const authorization = `Bearer ${token}`;
    const send = async (headers: Record<string, string>) => (await it0.post('/api/ask', ask, headers)).status;

    expect(await send({ cookie })).toBe(403);
    expect(await send({ cookie, origin: 'https://evil.example' })).toBe(403);
    expect(await send({ cookie, origin: 'null' })).toBe(403);
    expect(await send({ cookie, origin: `http://127.0.0.1:${it0.port + 1}` })).toBe(403);
    expect(await send({ authorization, origin: 'https://evil.example' })).toBe(403);
    expect(await send({ authorization: `Bearer ${token}x` })).toBe(401);
    expect(it0.inbox.mentions).toEqual([]);
    expect(await send({ cookie, origin: it0.origin })).toBe(200);
    expect(await send({ authorization })).toBe(200);
  });

  it('does not let another port of this machine read with the cookie', async () => {
    const cookie = await signIn(it0);

    expect((await it0.get('/api/threads', { cookie, 'sec-fetch-site': 'same-site' })).status).toBe(403);
    expect((await it0.get('/api/threads', { cookie, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
  });

  it('sends strict headers with every answer, refused ones too', async () => {
    for (const [path, headers] of [
      ['/', {}],
      ['/healthz', {}],
      ['/', undefined],
      ['/api/threads', undefined],
    ] as const) {
      const answer = await it0.get(path, headers);
      expect(answer.headers.get('content-security-policy')).toMatch(
        /default-src 'none'.*frame-ancestors 'none'/,
      );
      expect(answer.headers.get('content-security-policy')).not.toContain('unsafe');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    }
  });

  it('serves only files that belong to the page', async () => {
    expect((await it0.get('/app.js')).headers.get('content-type')).toMatch(/javascript/);
    for (const path of ['/..%2findex.ts', '/%2e%2e/guard.ts', '/index.ts', '/t/../index.ts'])
      expect([path, (await it0.get(path)).status]).toEqual([path, 404]);
  });
});

describe('the guard', () => {
  it('knows configured origins besides loopback, and marks their cookie as secure', () => {
    const guard = guardOf({ origins: ['https://ops.example'] });
    const account = { name: 'owner', key: 'k' };

    expect(guard.knowsHost('ops.example')).toBe(true);
    expect(guard.knowsHost('ops.example:7860')).toBe(false);
    expect(guard.sessionCookie(account, 'ops.example')).toContain('; Secure');
    expect(guard.sessionCookie(account, '127.0.0.1:7860')).not.toContain('; Secure');
    const asked = { method: 'POST', host: 'ops.example', fetchSite: 'same-origin', cookie: undefined };
    const authorization = `Bearer ${token}`;
    expect(guard.admit({ ...asked, authorization, origin: 'https://ops.example' })).toMatchObject({
      who: { name: 'owner' },
    });
    expect(guard.admit({ ...asked, authorization, origin: 'http://ops.example' })).toMatchObject({
      refused: { status: 403 },
    });
  });

  it('tells loopback from everything else', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) expect(isLoopback(host)).toBe(true);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.example.org', ''])
      expect(isLoopback(host)).toBe(false);
  });

  it('refuses to listen beyond loopback without a token of the operator', () => {
    const problem = (over: object) => {
      try {
        createConsole(consoleOptions(over));
      } catch (error) {
        return error instanceof OpsError ? error.problem : error;
      }
      return undefined;
    };

    expect(problem({ host: '0.0.0.0' })).toMatchObject({ code: 'config-invalid' });
    expect(problem({ host: '192.0.2.1' })).toMatchObject({ code: 'config-invalid' });
    expect(problem({ host: '0.0.0.0', tokenConfigured: true, token: 'short' })).toMatchObject({
      code: 'config-invalid',
    });
    expect(problem({ host: '127.0.0.1', token: '' })).toMatchObject({ code: 'config-invalid' });
    expect(problem({ host: '0.0.0.0', tokenConfigured: true })).toBeUndefined();
    expect(problem({})).toBeUndefined();
    expect(JSON.stringify(problem({ host: '0.0.0.0' }))).not.toContain(token);
  });

  it('names UI_PORT when its port is taken', async () => {
    const first = await startConsole();
    const second = createConsole(consoleOptions({ port: first.port }));

    await expect(second.start(first.inbox)).rejects.toMatchObject({
      problem: { code: 'config-invalid', remedy: expect.stringContaining('UI_PORT') },
    });
    await first.console.stop();
  });
});

function guardOf(over: Partial<Parameters<typeof createGuard>[0]> = {}) {
  const { people, endedSessions } = testPeople({});
  return createGuard({
    accounts: allAccounts(token, people),
    endedSessions,
    sessionKey: 'k',
    port: 7860,
    origins: [],
    clock: { now: () => 1_000 },
    ...over,
  });
}

async function signIn(it0: Started): Promise<string> {
  const answer = await it0.get(`/?token=${token}`, {});
  return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

/** fetch does not let a Host be set, so this one is by hand. */
function statusFor(it0: Started, path: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { port: it0.port, host: '127.0.0.1', path, headers: { host }, agent: false },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}
