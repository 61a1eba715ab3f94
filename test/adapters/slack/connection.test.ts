/**
 * Slack's connection: whatever happens to it, the process lives and hears again.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSlack } from '../../../adapters/slack/index.ts';
import { OpsError } from '../../../src/core/errors.ts';
import { until } from '../../contract/until.ts';
import type { Failure } from '../../twins/slack/index.ts';
import { createHarness, type SlackHarness, silent } from './harness.ts';

let h: SlackHarness;
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(async () => {
  h = await createHarness();
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled);
});
afterEach(async () => {
  await h.close();
  process.off('unhandledRejection', onUnhandled);
});

async function hears(): Promise<void> {
  const before = h.inbox.mentions.length;
  await until('a connection', () => h.twin.sockets() === 1, 10_000);
  await h.mention('still there?');
  await until('the mention', () => h.inbox.mentions.length > before);
}

describe('a lost connection', { timeout: 30_000 }, () => {
  const failures: readonly [string, Failure][] = [
    ['the app token is refused for a while', { how: 'error', error: 'invalid_auth' }],
    ['Slack answers HTTP 500', { how: 'status', status: 500 }],
    ['the network is dead', { how: 'dead' }],
    ['Slack limits the rate', { how: 'limited', seconds: 1 }],
  ];
  for (const [what, failure] of failures) {
    it(`is made anew after attempts fail because ${what}`, async () => {
      await h.start();
      await hears();
      let failed = 0;
      h.twin.failing = (method) => {
        if (method !== 'apps.connections.open' || failed >= 2) return undefined;
        failed++;
        return failure;
      };

      h.twin.dropSockets();
      await until('two failed attempts', () => failed === 2, 10_000);
      await hears();

      expect(unhandled).toEqual([]);
    });
  }

  it('is made anew when the socket itself cannot be opened', async () => {
    await h.start();
    let failed = 0;
    h.twin.failing = (method) => (method === 'websocket' && failed++ < 2 ? { how: 'dead' } : undefined);

    h.twin.dropSockets();
    await until('two failed attempts', () => failed >= 2, 10_000);
    await hears();

    expect(unhandled).toEqual([]);
  });

  it('is made anew when Slack asks for it', async () => {
    await h.start();
    await hears();

    h.twin.refresh();
    await until('a second connection', () => h.twin.connections() === 2);
    await hears();
  });
});

describe('the first connection', { timeout: 30_000 }, () => {
  it('that Slack refuses for the bot token is an OpsError that names the variable', async () => {
    h.twin.failing = (method) =>
      method === 'auth.test' ? { how: 'error', error: 'invalid_auth' } : undefined;

    const thrown = await h.start().catch((error: unknown) => error);

    expect(thrown).toBeInstanceOf(OpsError);
    expect((thrown as OpsError).problem).toMatchObject({
      code: 'chat-unavailable',
      remedy: expect.stringContaining('SLACK_BOT_TOKEN'),
    });
  });

  it('that Slack refuses for the app token is an OpsError that names the variable, never the token', async () => {
    const wrong = createSlack({
      botToken: h.twin.botToken,
      appToken: 'xapp-not-this-one',
      apiUrl: h.twin.apiUrl,
      logger: silent,
      clock: { now: () => Date.now() },
    });

    const thrown = await wrong.start(h.inbox).catch((error: unknown) => error);

    expect((thrown as OpsError).problem.remedy).toContain('SLACK_APP_TOKEN');
    expect(JSON.stringify((thrown as OpsError).problem)).not.toContain('not-this-one');
  });

  it('that finds Slack down does not fail the start: it is made when Slack is back', async () => {
    h.fail('down');
    await h.start();
    expect(h.twin.sockets()).toBe(0);

    h.fail('up');
    await hears();
    expect(unhandled).toEqual([]);
  });
});

it('a start without an app token says which variable is missing', async () => {
  const worker = createSlack({
    botToken: h.twin.botToken,
    apiUrl: h.twin.apiUrl,
    logger: silent,
    clock: { now: () => Date.now() },
  });

  const thrown = await worker.start(h.inbox).catch((error: unknown) => error);

  expect((thrown as OpsError).problem.remedy).toContain('SLACK_APP_TOKEN');
});

it('an event that is under way at stop comes to its end and is acknowledged', async () => {
  await h.start();
  const release = h.inbox.hold();
  await h.mention('in the last moment');
  await until('the mention', () => h.inbox.mentions.length === 1);

  const stopped = h.adapter.stop();
  release();
  await stopped;

  await until('the acknowledgement', () => h.acknowledged());
  await until('the end of the connection', () => h.twin.sockets() === 0);
});
