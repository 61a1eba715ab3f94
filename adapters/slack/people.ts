/**
 * Who somebody is in our workspace. Only its full members count: bots, guests, people of other workspaces and
 * anybody Slack does not tell us about are refused.
 */
import { z } from 'zod';
import { OpsError } from '../../src/core/errors.ts';
import type { Clock, Logger } from '../../src/core/ports.ts';
import { type Api, slackCode } from './api.ts';

/** What auth.test says of us. */
export interface Identity {
  readonly teamId: string;
  readonly userId: string;
  readonly botId?: string;
}

/** `groups` are the ids of the user groups the person is in. */
type Person =
  | { readonly kind: 'member'; readonly name: string; readonly groups: readonly string[] }
  | { readonly kind: 'stranger'; readonly why: string };

export interface People {
  identity(): Promise<Identity>;
  /** `teams` are those the event names; `fresh` asks Slack again, as a decision needs. Throws OpsError. */
  who(userId: string, teams: readonly string[], fresh: boolean): Promise<Person>;
}

const rememberMs = 60_000;
const mostRemembered = 1000;

const UserInfo = z.object({
  user: z.object({
    team_id: z.string().optional(),
    name: z.string().optional(),
    real_name: z.string().optional(),
    profile: z.object({ display_name: z.string().optional() }).optional(),
    deleted: z.boolean().optional(),
    is_bot: z.boolean().optional(),
    is_restricted: z.boolean().optional(),
    is_ultra_restricted: z.boolean().optional(),
    is_stranger: z.boolean().optional(),
  }),
});

export function createPeople(api: Api, clock: Clock, logger: Logger): People {
  const groupsOf = createGroups(api, clock, logger);
  let known: Promise<Identity> | undefined;
  const remembered = new Map<string, { person: Person; at: number }>();

  async function ask(): Promise<Identity> {
    const answer = await api.call('auth.test', (c) => c.auth.test());
    if (!answer.team_id || !answer.user_id)
      throw new OpsError('chat-unavailable', 'Slack did not say who the bot is.', 'Check SLACK_BOT_TOKEN.');
    return {
      teamId: answer.team_id,
      userId: answer.user_id,
      ...(answer.bot_id ? { botId: answer.bot_id } : {}),
    };
  }

  const people: People = {
    identity() {
      known ??= ask().catch((error) => {
        known = undefined;
        throw error;
      });
      return known;
    },
    async who(userId, teams, fresh) {
      const { teamId } = await people.identity();
      if (teams.length === 0 || teams.some((t) => t !== teamId)) return outsider;
      const last = remembered.get(userId);
      if (!fresh && last && clock.now() - last.at < rememberMs) return last.person;
      const found = await lookUp(api, userId, teamId);
      const person: Person =
        found.kind === 'member' ? { ...found, groups: await groupsOf(userId, fresh) } : found;
      if (remembered.size >= mostRemembered) remembered.clear();
      remembered.set(userId, { person, at: clock.now() });
      return person;
    },
  };
  return people;
}

const outsider: Person = { kind: 'stranger', why: 'Only members of this workspace can use opsagent here.' };

async function lookUp(api: Api, userId: string, teamId: string): Promise<Person> {
  const answer = await api
    .call('users.info', (c) => c.users.info({ user: userId }))
    .catch((error) => {
      if (slackCode(error) === 'user_not_found' || slackCode(error) === 'user_not_visible') return undefined;
      throw error;
    });
  const { data } = UserInfo.safeParse(answer);
  if (!data) return outsider;
  const { user } = data;
  if (user.is_stranger || (user.team_id !== undefined && user.team_id !== teamId)) return outsider;
  if (user.is_bot || user.deleted || user.is_restricted || user.is_ultra_restricted)
    return { kind: 'stranger', why: 'Bots, guests and deactivated accounts cannot use opsagent.' };
  const name = user.profile?.display_name || user.real_name || user.name || userId;
  return { kind: 'member', name, groups: [] };
}

/**
 * The user groups somebody is in, read as one list. Without the scope usergroups:read nobody is in any, so that rules
 * by user group let nobody through.
 */
function createGroups(api: Api, clock: Clock, logger: Logger) {
  let list: { readonly groups: z.infer<typeof UserGroups>['usergroups']; readonly at: number } | undefined;
  let allowed = true;

  async function read(): Promise<void> {
    try {
      const answer = await api.call('usergroups.list', (c) => c.usergroups.list({ include_users: true }));
      list = { groups: UserGroups.parse(answer).usergroups, at: clock.now() };
    } catch (error) {
      if (slackCode(error) !== 'missing_scope') throw error;
      allowed = false;
      logger.info({ scope: 'usergroups:read' }, 'slack user groups cannot be read');
    }
  }

  return async (userId: string, fresh: boolean): Promise<readonly string[]> => {
    if (allowed && (fresh || !list || clock.now() - list.at >= rememberMs)) await read();
    return (list?.groups ?? []).filter((g) => g.users?.includes(userId)).map((g) => g.id);
  };
}

const UserGroups = z.object({
  usergroups: z.array(z.object({ id: z.string(), users: z.array(z.string()).optional() })),
});
