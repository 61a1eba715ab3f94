/**
 * The whole system behind Slack's real SDKs: a question, an approval, a kill in between, a connection that breaks.
 */
import { hostname } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Conversation } from '../../src/core/conversation.ts';
import { createHarness, type SlackHarness, submission } from '../adapters/slack/harness.ts';
import type { SeenMessage } from '../contract/chat-adapter.ts';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import { buttonsOf, visibleText } from '../twins/slack/blocks.ts';
import { bot, type TwinMessage } from '../twins/slack/methods.ts';
import { createWhole, patienceMs, people, type Whole } from './whole.ts';

const ada = people.ada.slack;
const grace = people.grace.slack;
const eve = people.eve.slack;
const secrets = {
  SLACK_BOT_TOKEN: 'xoxb-1111111111-2222222222-systemtestbottoken',
  SLACK_APP_TOKEN: 'xapp-1-A0OPS-3333333333-systemtestapptoken',
  SLACK_SIGNING_SECRET: '5f1d0c3ba97e4826b1d0f6e2c4a88d17',
};

needs('redis-server')('the whole system behind Slack', { timeout: 3 * patienceMs }, () => {
  let slack: SlackHarness;
  let whole: Whole;

  beforeAll(async () => {
    slack = await createHarness();
    const { twin } = slack;
    Object.assign(twin, { botToken: secrets.SLACK_BOT_TOKEN, appToken: secrets.SLACK_APP_TOKEN });
    twin.users.set(eve, { name: 'Eve' });
    whole = createWhole({ ...secrets, SLACK_API_URL: twin.apiUrl });
    await whole.start();
    await listening();
  }, 3 * patienceMs);

  afterAll(async () => {
    await whole.close();
    await slack.close();
  }, 3 * patienceMs);

  const listening = () => until('a Socket Mode connection', () => slack.twin.sockets() === 1, patienceMs);

  /** What the bot said in a thread to everybody, top to bottom. */
  const said = async (where: Conversation) => (await slack.seen(where)).filter((m) => !m.privateTo);

  const toldTo = (who: string, words: string | RegExp) =>
    until(
      `${who} to be told ${words}`,
      () =>
        slack.twin.messages.some((m) => m.privateTo === who && new RegExp(words).test(visibleText(m.blocks))),
      patienceMs,
    );

  /** Waits until the thread holds so many finished runs and nothing is going on in it; what it says then. */
  async function answered(where: Conversation, times = 1): Promise<readonly SeenMessage[]> {
    const isDone = (seen: readonly SeenMessage[]) =>
      seen.filter((m) => m.text.includes('Rehearsal model')).length === times &&
      seen.every((m) => m.buttons.length === 0 && !/⏳|⏸ waiting/.test(m.text));
    await until('an answer in the thread', async () => isDone(await said(where)), patienceMs);
    return said(where);
  }

  async function card(where: Conversation): Promise<TwinMessage> {
    const find = () =>
      slack.twin.messages.find(
        (m) => m.thread === where.thread && buttonsOf(m.blocks).some((b) => b.label === 'Approve'),
      );
    await until('a card', () => find() !== undefined, patienceMs);
    return find() as TwinMessage;
  }

  const press = (message: TwinMessage, label: string, by: string) =>
    slack.twin.push('interactive', slack.press(message, label, by));

  it('answers a mention in its thread, with the trace of what ran over SSH', async () => {
    const { conversation } = await slack.mention('hostname please');

    const [answer, ...more] = await answered(conversation);

    expect(more).toEqual([]);
    expect(answer?.text).toMatch(/✓ hostname.* · local · \d+ ms · exit 0/);
    expect(answer?.text).toContain(hostname());
  });

  it('answers an event once that is delivered three times', async () => {
    const before = runsTakenIn(whole);
    const acks = slack.twin.acks.length;
    const { conversation } = await slack.mention('show me the uptime');
    await slack.redeliver();
    await slack.redeliver();

    await answered(conversation);
    // One for the plain message that Slack sends beside the mention.
    await until('all to be acknowledged', () => slack.twin.acks.length === acks + 4, patienceMs);
    await slack.redeliver();
    await until('the late one to be acknowledged', () => slack.twin.acks.length === acks + 5, patienceMs);

    expect(runsTakenIn(whole)).toBe(before + 1);
    expect(await answered(conversation)).toHaveLength(1);
  });

  it('answers a follow-up in the thread without a mention', async () => {
    const { conversation } = await slack.mention('hostname please');
    await answered(conversation);

    await slack.say('and the uptime?', { inThread: conversation });

    const [, second, ...more] = await answered(conversation, 2);
    expect(more).toEqual([]);
    expect(second?.text).toMatch(/✓ .*uptime|✓ server_status/);
  });

  it('runs an approved command once: not for its requester or a stranger, for another approver', async () => {
    const before = whole.notes();
    const { conversation } = await slack.mention('try an approval');
    const shown = await card(conversation);

    press(shown, 'Approve', ada);
    await toldTo(ada, 'somebody else has to decide');
    press(shown, 'Approve', eve);
    await toldTo(eve, 'not among those who may decide');
    expect(whole.notes()).toEqual(before);
    expect(buttonsOf(shown.blocks).map((b) => b.label)).toEqual([
      'Approve',
      'Deny',
      'Approve + 15 min',
      'Approve + 60 min',
    ]);

    const click = slack.press(shown, 'Approve', grace);
    for (const attempt of [0, 1, 2]) slack.twin.push('interactive', click, attempt);

    const [asked, decided, outcome, ...more] = await answered(conversation);
    expect(more).toEqual([]);
    expect(asked?.text).toContain('practice_change');
    expect(decided?.text).toContain('Approved by Grace');
    expect(decided?.text).toContain('exit 0');
    expect(outcome?.text).toContain('Rehearsal model');
    expect(whole.notes()).toHaveLength(before.length + 1);
  });

  it('runs nothing that was denied, and the reason reaches the answer', async () => {
    const before = whole.notes();
    const { conversation } = await slack.mention('try an approval');
    const shown = await card(conversation);

    press(shown, 'Deny', grace);
    await until('the form for a reason', () => slack.twin.views.length > 0, patienceMs);
    slack.twin.push('interactive', submission(slack.twin, grace, 'not before the release'));

    const [, decided, outcome] = await answered(conversation);
    expect(decided?.text).toContain('Denied by Grace');
    expect(outcome?.text).toContain('not before the release');
    expect(whole.notes()).toEqual(before);
  });

  it('refuses a person without a policy in private, with the line to add', async () => {
    const before = runsTakenIn(whole);
    const { conversation } = await slack.mention('hostname please', { by: eve });

    await toldTo(eve, `slack: "${eve}"`);

    expect(await said(conversation)).toEqual([]);
    expect(runsTakenIn(whole)).toBe(before);
  });

  it('keeps a waiting card over kill -9: approved after the next start it runs once, and nothing is said twice', async () => {
    const before = whole.notes();
    const { conversation } = await slack.mention('try an approval');
    const shown = await card(conversation);

    await whole.kill();
    // The twin's half of the connection, which it keeps open as an HTTP server does.
    slack.twin.dropSockets();
    await whole.start();
    await listening();
    press(shown, 'Approve', grace);

    const seen = await answered(conversation);
    expect(seen).toHaveLength(3);
    expect(seen[1]?.text).toContain('Approved by Grace');
    expect(whole.notes()).toHaveLength(before.length + 1);
  });

  it('loses nothing when its connection breaks while a command runs and an event is under way', async () => {
    const first = await slack.mention('read_left');
    const answer = await whole.reader('left');

    // This one may or may not have been heard; Slack has no acknowledgement and sends it again.
    const second = await slack.mention('hostname please');
    slack.twin.dropSockets();
    answer('what came meanwhile\n');

    const [seen] = await answered(first.conversation);
    expect(seen?.text).toContain('what came meanwhile');
    await listening();
    await slack.redeliver();
    expect(await answered(second.conversation)).toHaveLength(1);
  });

  it('shows every message once, and keeps its secrets out of files, Redis, output and threads', async () => {
    const { conversation } = await slack.mention('read_settings');
    const [answer] = await answered(conversation);
    expect(answer?.text).toContain('SLACK_BOT_TOKEN=[redacted');

    const keys = slack.twin.messages.flatMap((m) =>
      m.user === bot.user ? (m.metadata?.event_payload.key ?? []) : [],
    );
    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
    expect(await whole.placesWith('read_settings')).toContainEqual(expect.stringMatching(/^redis /));
    for (const secret of Object.values(secrets)) {
      expect(await whole.placesWith(secret)).toEqual([]);
      expect(JSON.stringify(slack.twin.messages)).not.toContain(secret);
    }
  });
});

/** Runs, not lines: deliveries that come at the same moment each have one. */
function runsTakenIn(whole: Whole): number {
  const taken = whole.audited().filter((event) => event.kind === 'request.accepted');
  return new Set(taken.map((event) => event.runId)).size;
}
