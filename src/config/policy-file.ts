/**
 * The shape of policy.yaml, key by key. Unknown keys are refused; what the names mean is checked in policy-check.ts.
 */
import { z } from 'zod';
import { say } from './yaml.ts';

const accountForms = {
  slack: /^[A-Z0-9_]{1,64}$/,
  discord: /^\d{1,20}$/,
  console: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
} as const;
/** In Slack a thread that is there already: what is said at the top of a channel belongs to no thread yet. */
const clientsPlace = /^(?:console|slack:[A-Z0-9]{1,64}\/\d{10}\.\d{6}|discord:\d{1,20}(?:\/\d{1,20})?)$/;
const accountText = /^(slack|discord|console):(.+)$/;

const name = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    say('is not a name', 'use lower-case letters, digits, "-", "_" and "."'),
  );
const ids = (form: RegExp, wanted: string) => {
  const id = z.string().regex(form, say(`is not ${wanted}`, `write ${wanted}, in quotes`));
  return z.union([id, z.array(id)]).optional();
};
const Accounts = z.strictObject({
  slack: ids(accountForms.slack, 'a Slack user id such as U0123ABCD'),
  discord: ids(accountForms.discord, 'a Discord user id, digits only'),
  console: ids(accountForms.console, 'a console name such as owner'),
});
const Group = z.strictObject({
  people: z.array(z.string()).optional(),
  slack_usergroups: z
    .array(z.string().regex(accountForms.slack, say('is not a usergroup id', 'write it as S0123ABCD')))
    .optional(),
  discord_roles: z
    .array(z.string().regex(accountForms.discord, say('is not a role id', 'write its digits, in quotes')))
    .optional(),
});

const who = z.array(z.string());
const risks = z.array(z.enum(['read', 'change', 'critical']));
const hosts = z.array(
  z
    .string()
    .regex(/^@?[a-z0-9][a-z0-9._-]*$/, say('is not a host', 'use a name from hosts.yaml, "@tag" or "all"')),
);
const places = z.array(
  z
    .string()
    .regex(
      /^(?:console|slack|discord)(?::[A-Za-z0-9_-]{1,64})?$/,
      say('is not a channel', 'use "slack:C0123ABCD", "discord:123", or a platform'),
    ),
);
const scope = { commands: z.array(z.string()).optional(), categories: z.array(z.string()).optional() };
const time = z
  .string()
  .regex(/^\d{1,5}[smh]$/, say('is not a time', 'write it as 90s, 10m or 2h'))
  .optional();

const Role = z.strictObject({ risk: risks, hosts, channels: places.optional(), ...scope });
/** Either `role`, or what a role has. */
const Ask = z.strictObject({
  name,
  who,
  role: z.union([z.string(), z.array(z.string())]).optional(),
  risk: risks.optional(),
  hosts: hosts.optional(),
  channels: places.optional(),
  ...scope,
});
const Approve = z.strictObject({
  name,
  risk: z.array(
    z.enum(['change', 'critical'], {
      error: say('is not a risk that is approved', 'use change or critical; a read needs no approval'),
    }),
  ),
  hosts,
  who: who.optional(),
  people: z.int().min(1).max(10).optional(),
  each: z
    .array(z.strictObject({ who, people: z.int().min(1).max(10).optional() }))
    .min(1)
    .max(5)
    .optional(),
  requester: z.enum(['allowed', 'excluded']).optional(),
  wait: time,
  reminder: time,
  ...scope,
});
const Quota = z.strictObject({
  name,
  who: who.optional(),
  risk: risks.optional(),
  per_day: z.int().min(0).max(1_000_000),
  together: z.boolean().optional(),
  ...scope,
});
const limit = (max: number) => z.int().min(1).max(max).optional();
const Budget = z.strictObject({
  turns: limit(200),
  calls: limit(400),
  hosts: limit(1_000),
  seconds: limit(86_400),
  tokens: limit(100_000_000),
  open_approvals: limit(50),
  repeats: limit(100),
});

export const PolicyFile = z.strictObject({
  people: z.record(name, Accounts).nullable().optional(),
  groups: z.record(name, Group).nullable().optional(),
  roles: z.record(name, Role).nullable().optional(),
  ask: z.array(Ask).nullable().optional(),
  approve: z.array(Approve).nullable().optional(),
  quotas: z.array(Quota).nullable().optional(),
  budgets: Budget.nullable().optional(),
  admins: who.nullable().optional(),
  incident_channels: z
    .array(
      z
        .string()
        .regex(
          /^(?:slack|discord):[A-Za-z0-9_-]{1,64}$/,
          say('is not a channel', 'write it as "slack:C0123ABCD"'),
        ),
    )
    .nullable()
    .optional(),
  mcp_requests: z
    .strictObject({
      in: z
        .string()
        .regex(
          clientsPlace,
          say(
            'is not a place where people can be asked',
            'write it as "console", "slack:C0123ABCD/1712345678.000100" (channel and thread) or "discord:345678901234567890"',
          ),
        ),
    })
    .nullable()
    .optional(),
});
export type PolicyFile = z.infer<typeof PolicyFile>;

/** `platform:id` in the form that platform's ids have. */
export function isAccount(text: string): boolean {
  const [, platform, id] = accountText.exec(text) ?? [];
  return (
    platform !== undefined && id !== undefined && accountForms[platform as keyof typeof accountForms].test(id)
  );
}

export function secondsOf(text: string): number {
  const unit = text.endsWith('h') ? 3600 : text.endsWith('m') ? 60 : 1;
  return Number.parseInt(text, 10) * unit;
}
