/** The gateway connection: what it asks for, how it is lost and found again, and what a wrong token says. */
import { GatewayIntentBits } from 'discord.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDiscord } from '../../../adapters/discord/index.ts';
import { OpsError } from '../../../src/core/errors.ts';
import { until } from '../../contract/until.ts';
import { segment, text } from '../../contract/views.ts';
import { ada, type DiscordHarness, directory, discordHarness } from './harness.ts';

let h: DiscordHarness;
beforeEach(async () => {
  h = await discordHarness({ backOffMs: 5 });
});
afterEach(() => h.close());

async function heardAgain(text: string): Promise<void> {
  const { eventId } = await h.mention(text);
  await until(`“${text}” is heard`, () => h.inbox.mentions.some((m) => m.eventId === eventId));
}

describe('the gateway', () => {
  it('is asked for servers and their messages, and for their text only when the application may have it', async () => {
    h.twin.allowMessageContent(false);
    await h.start();
    const other = createDiscord({
      token: h.twin.token,
      apiUrl: h.twin.apiUrl,
      logger: {
        debug() {},
        info() {},
        warn() {},
        error() {},
        child: () => {
          throw new Error('unused');
        },
      },
      clock: { now: () => 0 },
      directory,
    });
    h.twin.allowMessageContent(true);
    await other.start(h.inbox);
    await other.stop();

    const without = GatewayIntentBits.Guilds | GatewayIntentBits.GuildMessages;
    expect(h.twin.gateway.heard.identified).toEqual([without, without | GatewayIntentBits.MessageContent]);
    expect(h.twin.state.registered.map((r) => r.guild)).toEqual([h.twin.state.guild, undefined]);
  });

  it('without the text of messages still hears mentions, and nothing of plain talk', async () => {
    h.twin.allowMessageContent(false);
    await h.start();
    await h.say('no text reaches the bot', { inThread: h.thread });
    await heardAgain('check the disk');

    expect(h.inbox.mentions.map((m) => m.text)).toEqual(['check the disk']);
  });

  it('that is closed is resumed, and what was missed arrives with its own id', async () => {
    await h.start();
    h.twin.gateway.drop(4000);
    await until('the loss', () => h.twin.gateway.connected() === 0);
    const { eventId } = await h.mention('said while the bot was away');
    await until('the mention', () => h.inbox.mentions.length > 0);

    expect(h.inbox.mentions.map((m) => m.eventId)).toEqual([eventId]);
    expect(h.twin.gateway.heard).toMatchObject({ resumed: 1 });
    expect(h.twin.gateway.heard.identified).toHaveLength(1);
  });

  it.each([1006, 4009])('that is closed with %i comes back', async (code) => {
    await h.start();
    h.twin.gateway.drop(code);
    await until('the loss', () => h.twin.gateway.connected() === 0);
    await until('the return', () => h.twin.gateway.connected() === 1);

    await heardAgain('there again');
  });

  it('whose session is forgotten meanwhile identifies anew', async () => {
    await h.start();
    h.twin.gateway.forgetSessions();
    h.twin.gateway.drop(4000);
    await until(
      'a new session',
      () => h.twin.gateway.heard.identified.length === 2 && h.twin.gateway.connected() === 1,
      9_000,
    );

    await heardAgain('there again');
  }, 15_000);

  it('that refuses connections for a while is tried until it takes one', async () => {
    await h.start();
    h.twin.gateway.refuseConnections(503);
    const { connections } = h.twin.gateway.heard;
    h.twin.gateway.drop(1006);
    await until('two refusals', () => h.twin.gateway.heard.connections >= connections + 2);
    h.twin.gateway.refuseConnections(undefined);
    await until('the return', () => h.twin.gateway.connected() === 1);

    await heardAgain('there again');
  });

  it('that closes for good is logged in to anew, with back-off, until the token is right again', async () => {
    await h.start();
    const right = h.twin.token;
    h.twin.token = 'rotated';
    h.twin.gateway.forgetSessions();
    h.twin.gateway.drop(4004);
    await until(
      'two failed logins',
      () => h.logged.filter((l) => l.message === 'discord gateway login failed').length >= 2,
    );
    h.twin.token = right;
    await until('the return', () => h.twin.gateway.connected() === 1);

    await heardAgain('there again');
    const waits = h.logged.flatMap((l) => ('waitMs' in l.fields ? [l.fields.waitMs] : []));
    expect(waits.slice(0, 3)).toEqual([5, 10, 20]);
  });
});

describe('a wrong token', () => {
  it('is one clear error at start, without the token', async () => {
    const token = h.twin.token;
    h.twin.token = 'another';
    const thrown = await h.start().catch((error: unknown) => error);

    expect(thrown).toBeInstanceOf(OpsError);
    const { problem } = thrown as OpsError;
    expect(problem).toMatchObject({
      code: 'chat-unavailable',
      remedy: 'Set DISCORD_TOKEN to a valid bot token.',
    });
    expect(JSON.stringify([problem, h.logged])).not.toContain(token);
  });

  it('is one clear error for the worker, which only posts', async () => {
    h.twin.token = 'another';
    const posted = h.adapter.post(h.thread, 'k', segment([text('x')]), true);

    await expect(posted).rejects.toBeInstanceOf(OpsError);
  });
});

describe('start', () => {
  it('goes on when the commands cannot be registered, and says so in the log', async () => {
    const elsewhere = await discordHarness({ guildId: '800000000000000009' });
    try {
      await elsewhere.start();
      expect(elsewhere.logged).toContainEqual(
        expect.objectContaining({
          level: 'error',
          message: 'discord slash commands could not be registered',
        }),
      );
      elsewhere.twin.write(elsewhere.channel, ada, '<@900000000000000001> hello');
      elsewhere.twin.write(elsewhere.channel, ada, '<@900000000000000001> hello', {
        guild: '800000000000000009',
      });
      await until('the mention', () => elsewhere.inbox.mentions.length > 0);
      expect(elsewhere.inbox.mentions).toHaveLength(1);
    } finally {
      await elsewhere.close();
    }
  });

  it('works again after stop', async () => {
    await h.start();
    await h.adapter.stop();
    await h.start();

    await heardAgain('there again');
  });
});
