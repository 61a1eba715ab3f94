/**
 * policy.yaml: who may ask for what, and who may approve it. Default deny: what is not written here nobody may.
 * A name that is defined nowhere is a problem, never a silent nobody.
 */
import { z } from 'zod';
import type { Policy } from '../core/policy.ts';
import { type ConfigProblem, didYouMean } from './problem.ts';
import { type Path, readYaml, say, type YamlFile } from './yaml.ts';

const accountForms = {
  slack: /^[A-Z0-9_]{1,64}$/,
  discord: /^\d{1,20}$/,
  console: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
} as const;
const accountText = /^(slack|discord|console):(.+)$/;

const word = z
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
const hosts = z.array(
  z
    .string()
    .regex(/^@?[a-z0-9][a-z0-9._-]*$/, say('is not a host', 'use a name from hosts.yaml, "@tag" or "all"')),
);
const place = z
  .string()
  .regex(
    /^(?:console|slack|discord)(?::[A-Za-z0-9_-]{1,64})?$/,
    say('is not a channel', 'use "slack:C0123ABCD", "discord:123", or a platform'),
  );
const Ask = z.strictObject({
  name: word,
  who: z.array(z.string()),
  risk: z.array(z.enum(['read', 'change', 'critical'])),
  hosts,
  channels: z.array(place).optional(),
});
const Approve = z.strictObject({
  name: word,
  risk: z.array(
    z.enum(['change', 'critical'], {
      error: say('is not a risk that is approved', 'use change or critical; a read needs no approval'),
    }),
  ),
  hosts,
  who: z.array(z.string()),
  people: z.int().min(1).max(10).optional(),
  requester: z.enum(['allowed', 'excluded']).optional(),
  wait: z
    .string()
    .regex(/^\d{1,5}[smh]$/, say('is not a time', 'write it as 90s, 10m or 2h'))
    .optional(),
});
const PolicyFile = z.strictObject({
  people: z.record(word, Accounts).nullable().optional(),
  groups: z.record(word, Group).nullable().optional(),
  ask: z.array(Ask).nullable().optional(),
  approve: z.array(Approve).nullable().optional(),
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
});
type PolicyFile = z.infer<typeof PolicyFile>;

const noPolicy: Policy = { people: [], groups: [], ask: [], approve: [], incidentChannels: [] };

/** Reads the text of a policy.yaml. With problems the policy is the empty one, which lets nobody do anything. */
export function loadPolicy(
  file: string,
  text: string,
): { readonly policy: Policy; readonly problems: readonly ConfigProblem[] } {
  const yaml = readYaml(file, text, PolicyFile);
  if (yaml.value === undefined) return { policy: noPolicy, problems: yaml.problems };

  const policy = toPolicy(yaml.value);
  const problems = [...nameProblems(policy, yaml), ...ruleProblems(policy, yaml)];
  return { policy: problems.length > 0 ? noPolicy : policy, problems };
}

function toPolicy(file: PolicyFile): Policy {
  return {
    people: Object.entries(file.people ?? {}).map(([name, accounts]) => ({
      name,
      accounts: (['slack', 'discord', 'console'] as const).flatMap((platform) =>
        [accounts[platform] ?? []].flat().map((id) => `${platform}:${id}`),
      ),
    })),
    groups: Object.entries(file.groups ?? {}).map(([name, group]) => ({
      name,
      people: group.people ?? [],
      platformGroups: [
        ...(group.slack_usergroups ?? []).map((id) => `slack:${id}`),
        ...(group.discord_roles ?? []).map((id) => `discord:${id}`),
      ],
    })),
    ask: (file.ask ?? []).map(({ name, who, risk, hosts, channels }) => ({
      name,
      who,
      risk,
      hosts,
      ...(channels ? { channels } : {}),
    })),
    approve: (file.approve ?? []).map((rule) => ({
      name: rule.name,
      risk: rule.risk,
      hosts: rule.hosts,
      who: rule.who,
      people: rule.people ?? 1,
      requesterMay: rule.requester === 'allowed',
      waitSeconds: seconds(rule.wait ?? '10m'),
    })),
    incidentChannels: file.incident_channels ?? [],
  };
}

function seconds(text: string): number {
  const unit = text.endsWith('h') ? 3600 : text.endsWith('m') ? 60 : 1;
  return Number.parseInt(text, 10) * unit;
}

/** People, groups and accounts: each name once, each account one person's. */
function nameProblems(policy: Policy, yaml: YamlFile<unknown>): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const owners = new Map<string, string>();
  for (const person of policy.people) {
    const path = ['people', person.name];
    if (person.name === 'mcp' || person.name === 'all')
      problems.push(
        problem(
          yaml.at(path, 'key'),
          'reserved-name',
          `${person.name} has a meaning of its own`,
          'choose another name',
        ),
      );
    if (policy.groups.some((g) => g.name === person.name))
      problems.push(
        problem(
          yaml.at(path, 'key'),
          'duplicate-name',
          `${person.name} is a person and a group`,
          'rename one of them',
        ),
      );
    for (const account of person.accounts) {
      const owner = owners.get(account);
      if (owner !== undefined)
        problems.push(
          problem(
            yaml.at(path),
            'duplicate-account',
            `${account} belongs to ${owner} already`,
            'an account is one person’s: remove it from one of them',
          ),
        );
      owners.set(account, person.name);
    }
  }
  for (const group of policy.groups) {
    if (group.name === 'mcp' || group.name === 'all')
      problems.push(
        problem(
          yaml.at(['groups', group.name], 'key'),
          'reserved-name',
          `${group.name} has a meaning of its own`,
          'choose another name',
        ),
      );
    group.people.forEach((name, i) => {
      if (!policy.people.some((p) => p.name === name))
        problems.push(
          undefinedName(
            yaml.at(['groups', group.name, 'people', i]),
            name,
            policy.people.map((p) => p.name),
          ),
        );
    });
  }
  return problems;
}

function ruleProblems(policy: Policy, yaml: YamlFile<unknown>): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const names = [...policy.people.map((p) => p.name), ...policy.groups.map((g) => g.name)];
  for (const kind of ['ask', 'approve'] as const) {
    policy[kind].forEach((rule, i) => {
      const path: Path = [kind, i];
      if (policy[kind].findIndex((r) => r.name === rule.name) < i)
        problems.push(
          problem(
            yaml.at([...path, 'name']),
            'duplicate-name',
            `there is another ${kind} rule named ${rule.name}`,
            'rename one of them',
          ),
        );
      rule.who.forEach((who, n) => {
        const at = yaml.at([...path, 'who', n]);
        if (who === 'mcp' && kind === 'approve')
          problems.push(
            problem(at, 'mcp-approves', 'an MCP client cannot approve', 'name a person or a group'),
          );
        else if (!names.includes(who) && who !== 'mcp' && !isAccount(who))
          problems.push(undefinedName(at, who, names));
      });
    });
  }
  policy.approve.forEach((rule, i) => {
    const path: Path = ['approve', i];
    if (rule.requesterMay && rule.risk.some((r) => r !== 'change'))
      problems.push(
        problem(
          yaml.at([...path, 'requester']),
          'requester-approves',
          'a requester may approve their own change only, never a critical command',
          'use "requester: excluded", or split the rule',
        ),
      );
    if (rule.waitSeconds < 30 || rule.waitSeconds > 86_400)
      problems.push(
        problem(yaml.at([...path, 'wait']), 'bad-value', 'wait is out of range', 'use 30s to 24h'),
      );
  });
  return problems;
}

/** `platform:id` in the form that platform's ids have. */
function isAccount(text: string): boolean {
  const [, platform, id] = accountText.exec(text) ?? [];
  return (
    platform !== undefined && id !== undefined && accountForms[platform as keyof typeof accountForms].test(id)
  );
}

function undefinedName(where: string, name: string, known: readonly string[]): ConfigProblem {
  const meant = didYouMean(name, known);
  return problem(
    where,
    'undefined-name',
    `"${name}" is neither a person, a group nor an account`,
    meant
      ? `did you mean ${meant}?`
      : 'define it under people or groups, or write an account such as slack:U0123ABCD',
  );
}

function problem(where: string, rule: string, what: string, remedy: string): ConfigProblem {
  return { where, rule, what, remedy };
}
