/**
 * The whole system behind Discord's real SDK: `/ops ask`, a mention, an approval, a kill in between, a lost gateway.
 */
import { hostname } from 'node:os';
import { ButtonStyle, InteractionResponseType } from 'discord.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DiscordHarness, discordHarness, readable, sourceOf } from '../adapters/discord/harness.ts';
import { until } from '../contract/until.ts';
import { needs } from '../needs.ts';
import { type AnyComponent, flatten, type ModalBody } from '../twins/discord/check.ts';
import { type Actor, botId, type Channel, type Message } from '../twins/discord/payloads.ts';
import type { Interaction } from '../twins/discord/state.ts';
import { createWhole, patienceMs, people, type Whole } from './whole.ts';

const ada: Actor = { id: people.ada.discord, roles: [] };
const grace: Actor = { id: people.grace.discord, roles: [] };
const eve: Actor = { id: people.eve.discord, roles: [] };
const secrets = { DISCORD_TOKEN: 'MTk4NjIyNDgzNDcxOTI1MjQ4.GsysTt.systemtest-discord-bot-token-0123456789' };

needs('redis-server')('the whole system behind Discord', { timeout: 3 * patienceMs }, () => {
  let discord: DiscordHarness;
  let whole: Whole;

  beforeAll(async () => {
    discord = await discordHarness();
    const { twin } = discord;
    twin.token = secrets.DISCORD_TOKEN;
    whole = createWhole({ ...secrets, DISCORD_GUILD_ID: twin.state.guild, DISCORD_API_URL: twin.apiUrl });
    await whole.start();
    await listening();
  }, 3 * patienceMs);

  afterAll(async () => {
    await whole.close();
    await discord.close();
  }, 3 * patienceMs);

  const listening = () =>
    until('a gateway connection', () => discord.twin.gateway.connected() === 1, patienceMs);

  /** `/ops ask`, and the thread that it opened. */
  async function ask(text: string, by = ada): Promise<{ thread: Channel; asked: Interaction }> {
    const asked = discord.twin.slash(discord.channel, by, 'ask', { text });
    await until('the answer to the command', () => asked.answered, patienceMs);
    const [, id = ''] = /I am on it in <#(\d+)>/.exec(toldBy(asked)) ?? [];
    const thread = discord.twin.state.channels.get(id);
    if (!thread) throw new Error(`no thread was opened: ${toldBy(asked)}`);
    return { thread, asked };
  }

  /** What the person alone was told in answer to a command, a button or a form. */
  function toldBy({ actor }: Interaction): string {
    const told = discord.twin.state.privates.findLast((p) => p.to === actor.id);
    return told ? readable(sourceOf(told.message.body)) : '';
  }

  /** The bot's messages in a thread, top to bottom. */
  const said = (thread: Channel) =>
    discord.twin.state.messages.filter((m) => m.channel === thread.id && m.author === botId);

  const textOf = (message: Message | undefined) => (message ? readable(sourceOf(message.body)) : '');

  const buttonsOf = (message: Message) =>
    flatten(message.body.components ?? []).filter((c) => c.style !== undefined);

  async function answered(thread: Channel, times = 1): Promise<readonly Message[]> {
    await until(
      'an answer in the thread',
      () => {
        const seen = said(thread);
        const answers = seen.filter((m) => textOf(m).includes('Rehearsal model'));
        const quiet = (m: Message) =>
          buttonsOf(m).length === 0 &&
          !/^(queued…|thinking…|running…|waiting for approval)$/m.test(textOf(m));
        return answers.length === times && seen.every(quiet);
      },
      patienceMs,
    );
    return said(thread);
  }

  async function card(thread: Channel): Promise<Message> {
    const find = () => said(thread).find((m) => buttonsOf(m).some((b) => b.style === ButtonStyle.Success));
    await until('a card', () => find() !== undefined, patienceMs);
    return find() as Message;
  }

  function press(message: Message, label: string, by: Actor): Interaction {
    const button = buttonsOf(message).find((b: AnyComponent) => b.label === label);
    if (!button?.custom_id) throw new Error(`there is no button ${label}`);
    return discord.twin.press(message, by, button.custom_id);
  }

  /** Waits until a press is answered to the person alone; the words. */
  async function refusal(pressed: Interaction): Promise<string> {
    await until('the refusal', () => pressed.answered, patienceMs);
    return toldBy(pressed);
  }

  it('answers /ops ask in a thread of its own, with the trace of what ran over SSH', async () => {
    const { thread } = await ask('hostname please');

    const [answer, ...more] = await answered(thread);

    expect(more).toEqual([]);
    expect(textOf(answer)).toMatch(/✅ hostname.* · local · \d+ ms · exit 0/);
    expect(textOf(answer)).toContain(hostname());
  });

  it('answers an event once that is delivered three times: a command', async () => {
    const before = runsTakenIn(whole);
    const { thread, asked } = await ask('show me the uptime');
    discord.twin.repeat(asked);
    discord.twin.repeat(asked);
    const starters = () =>
      discord.twin.state.messages.filter((m) => m.channel === discord.channel.id && m.bot);
    const began = starters().length;

    expect(await answered(thread)).toHaveLength(1);

    // Whatever the repeats led to has been done when the one after them is.
    await ask('hostname please').then(({ thread: next }) => answered(next));
    expect(runsTakenIn(whole)).toBe(before + 2);
    expect(starters()).toHaveLength(began + 1);
    expect(said(thread)).toHaveLength(1);
  });

  it('answers an event once that is delivered three times: a mention', async () => {
    const before = runsTakenIn(whole);
    const { conversation } = await discord.mention('hostname please', { by: ada.id });
    await discord.redeliver();
    await discord.redeliver();
    await until('the thread', () => discord.twin.state.channels.has(conversation.thread), patienceMs);
    const thread = discord.twin.state.channels.get(conversation.thread) as Channel;

    expect(await answered(thread)).toHaveLength(1);
    expect(runsTakenIn(whole)).toBe(before + 1);
  });

  it('answers a follow-up in the thread without a mention', async () => {
    const { thread } = await ask('hostname please');
    await answered(thread);

    discord.twin.write(thread, ada, 'and the uptime?');

    const [, second, ...more] = await answered(thread, 2);
    expect(more).toEqual([]);
    expect(textOf(second)).toContain('uptime');
  });

  it('runs an approved command once: not for its requester or a stranger, for another approver', async () => {
    const before = whole.notes();
    const { thread } = await ask('try an approval');
    const shown = await card(thread);

    expect(await refusal(press(shown, 'Approve', ada))).toContain('somebody else has to decide');
    expect(await refusal(press(shown, 'Approve', eve))).toContain('not among those who may decide');
    expect(whole.notes()).toEqual(before);
    expect(buttonsOf(shown).map((b) => b.label)).toEqual([
      'Approve',
      'Deny',
      'Approve + 15 min',
      'Approve + 60 min',
    ]);

    const click = press(shown, 'Approve', grace);
    discord.twin.repeat(click);
    discord.twin.repeat(click);

    const [asked, decided, outcome, ...more] = await answered(thread);
    expect(more).toEqual([]);
    expect(textOf(asked)).toContain('practice_change');
    expect(textOf(decided)).toContain('Approved by Person 002');
    expect(textOf(decided)).toContain('exit 0');
    expect(textOf(outcome)).toContain('Rehearsal model');
    expect(whole.notes()).toHaveLength(before.length + 1);
  });

  it('runs nothing that was denied, and the reason reaches the answer', async () => {
    const before = whole.notes();
    const { thread } = await ask('try an approval');
    const shown = await card(thread);

    const pressed = press(shown, 'Deny', grace);
    await until('the form', () => pressed.response?.type === InteractionResponseType.Modal, patienceMs);
    const form = pressed.response?.data as unknown as ModalBody;
    const field = form.components[0]?.component?.custom_id ?? '';
    discord.twin.submit(shown, grace, form.custom_id, { [field]: 'not before the release' });

    const [, decided, outcome] = await answered(thread);
    expect(textOf(decided)).toContain('Denied by Person 002');
    expect(textOf(outcome)).toContain('not before the release');
    expect(whole.notes()).toEqual(before);
  });

  it('refuses a person without a policy in private, with the line to add', async () => {
    const before = runsTakenIn(whole);
    const messages = discord.twin.state.messages.length;

    const asked = discord.twin.slash(discord.channel, eve, 'ask', { text: 'hostname please' });
    await until('the answer to the command', () => asked.answered, patienceMs);

    expect(toldBy(asked)).toContain(`discord: "${eve.id}"`);
    expect(discord.twin.state.messages).toHaveLength(messages);
    expect(runsTakenIn(whole)).toBe(before);
  });

  it('keeps a waiting card over kill -9: approved after the next start it runs once, and nothing is said twice', async () => {
    const before = whole.notes();
    const { thread } = await ask('try an approval');
    const shown = await card(thread);

    await whole.kill();
    await until('the connection to be gone', () => discord.twin.gateway.connected() === 0, patienceMs);
    discord.twin.gateway.forgetSessions();
    await whole.start();
    await listening();
    press(shown, 'Approve', grace);

    const seen = await answered(thread);
    expect(seen).toHaveLength(3);
    expect(textOf(seen[1])).toContain('Approved by Person 002');
    expect(whole.notes()).toHaveLength(before.length + 1);
  });

  it('loses nothing when its gateway breaks while a command runs and an event is under way', async () => {
    const first = await ask('read_left');
    const answer = await whole.reader('left');

    discord.twin.gateway.drop(1006);
    const second = await discord.mention('hostname please', { by: ada.id });
    answer('what came meanwhile\n');

    const [seen] = await answered(first.thread);
    expect(textOf(seen)).toContain('what came meanwhile');
    await until('the thread', () => discord.twin.state.channels.has(second.conversation.thread), patienceMs);
    const thread = discord.twin.state.channels.get(second.conversation.thread) as Channel;
    expect(await answered(thread)).toHaveLength(1);
  });

  it('shows every message once, and keeps its token out of files, Redis, output and threads', async () => {
    const { thread } = await ask('read_settings');
    const [answer] = await answered(thread);
    expect(textOf(answer)).toContain('DISCORD_TOKEN=[redacted');

    const markers = discord.twin.state.messages.flatMap((m) =>
      m.bot ? (m.body.components?.[0]?.id ?? []) : [],
    );
    expect(markers.filter((marker, i) => markers.indexOf(marker) !== i)).toEqual([]);
    expect(await whole.placesWith('read_settings')).toContainEqual(expect.stringMatching(/^redis /));
    for (const secret of Object.values(secrets)) {
      expect(await whole.placesWith(secret)).toEqual([]);
      expect(JSON.stringify(discord.twin.outgoing)).not.toContain(secret);
    }
  });
});

/** Runs, not lines: deliveries that come at the same moment each have one. */
function runsTakenIn(whole: Whole): number {
  const taken = whole.audited().filter((event) => event.kind === 'request.accepted');
  return new Set(taken.map((event) => event.runId)).size;
}
