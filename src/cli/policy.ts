/**
 * `opsagent policy lint` and `explain`: what policy.yaml says, without a running instance and without running anything.
 */
import { lintPolicy } from '../config/policy-lint.ts';
import { problemLine } from '../config/problem.ts';
import { type Config, loadConfig, loadForLint, readEnvironment } from '../config.ts';
import type { Conversation, Platform } from '../core/conversation.ts';
import { OpsError } from '../core/errors.ts';
import { checkParams } from '../core/params.ts';
import { type Asker, type HostName, personOf } from '../core/policy.ts';
import { decide, inScope, type PolicyDecision } from '../core/policy-decision.ts';
import { exitCodes } from './exit-codes.ts';

export async function lint(file: string | undefined, options: { readonly json?: boolean }): Promise<number> {
  const given = loadForLint(readEnvironment(), process.cwd(), file);
  const { problems, warnings, summary } = lintPolicy(given.file, given.text, given.known, given.hosts);
  if (options.json)
    process.stdout.write(`${JSON.stringify({ file: given.file, problems, warnings, summary })}\n`);
  else {
    for (const problem of problems) process.stdout.write(`${problemLine(problem)}\n`);
    for (const warning of warnings) process.stdout.write(`warning: ${problemLine(warning)}\n`);
    if (given.hosts === undefined)
      process.stdout.write('hosts.yaml has problems of its own, so hosts were not looked at.\n');
    if (problems.length === 0) process.stdout.write(`${given.file}: ${summary}\n`);
  }
  return problems.length > 0 ? exitCodes.usage : exitCodes.done;
}

interface ExplainOptions {
  readonly as: string;
  readonly group?: readonly string[];
  readonly channel?: string;
  readonly host?: string;
  readonly json?: boolean;
}

export async function explain(words: readonly string[], options: ExplainOptions): Promise<number> {
  const [verb, command, ...values] = words;
  if (verb !== 'run' || command === undefined)
    throw usage('After the options write: run <command> [key=value...].');
  const config = loadConfig('cli', readEnvironment(), process.cwd());
  const spec = config.catalogue.find((c) => c.name === command);
  if (!spec) throw usage(`There is no command ${command}.`, 'See `opsagent commands`.');
  const checked = checkParams(spec.params, parameters(values));
  if (!checked.ok) throw usage(`${command} would not be rendered:\n${checked.problems.join('\n')}`);

  const host = hostOf(config, options.host);
  const asker: Asker = { account: accountOf(options.as), groups: (options.group ?? []).map(platformId) };
  const conversation = conversationOf(asker.account, options.channel);
  const decision: PolicyDecision = inScope(spec, host)
    ? decide(config.policy, [asker], { command: spec, host, conversation }, config.catalogue)
    : {
        kind: 'refuse',
        rule: 'catalogue',
        reason: `${command} may not run on ${host.name}: the catalogue leaves that host out.`,
        whoCould: [],
      };
  const about = { person: personOf(config.policy, asker.account), command, host: host.name, risk: spec.risk };
  process.stdout.write(
    options.json ? `${JSON.stringify({ ...about, ...decision })}\n` : textOf(about, decision),
  );
  return { allow: exitCodes.done, ask: exitCodes.waiting, refuse: exitCodes.refused }[decision.kind];
}

function textOf(
  about: { readonly person: string; readonly command: string; readonly host: string; readonly risk: string },
  decision: PolicyDecision,
): string {
  const { person, command, host, risk } = about;
  const rows: [string, string][] = [['question', `${person} runs ${command} (${risk}) on ${host}`]];
  switch (decision.kind) {
    case 'allow':
      rows.push(['verdict', 'allowed'], ['rule', decision.rule]);
      break;
    case 'ask': {
      const { rule } = decision;
      const each = rule.each?.map((e) => `${e.people} of ${e.who.join(', ')}`).join(' and ');
      const people = `${rule.people} ${rule.people === 1 ? 'person' : 'people'} of ${rule.who.join(', ')}`;
      rows.push(
        ['verdict', 'asks people first'],
        ['rule', `${decision.asked} lets them ask, ${rule.name} says who approves`],
        ['approvers', each ?? people],
        ['requester', rule.requesterMay ? 'may approve it too' : 'may not approve it'],
        ['open for', `${rule.waitSeconds} s`],
      );
      break;
    }
    case 'refuse':
      rows.push(
        ['verdict', 'refused'],
        ['rule', decision.rule],
        ['reason', decision.reason],
        ['who could', decision.whoCould.join(', ') || 'nobody'],
        ['nearest', decision.nearest ?? 'nothing'],
      );
      break;
    default:
      decision satisfies never;
  }
  return rows.map(([name, text]) => `${name.padEnd(10)} ${text}\n`).join('');
}

function parameters(values: readonly string[]): Record<string, string> {
  const wrong = values.filter((v) => !/^[A-Za-z_]\w*=/.test(v));
  if (wrong.length > 0) throw usage(`Not of the form key=value: ${wrong.join(', ')}.`);
  return Object.fromEntries(values.map((v) => [v.slice(0, v.indexOf('=')), v.slice(v.indexOf('=') + 1)]));
}

function hostOf({ hosts }: Config, name: string | undefined): HostName {
  const known: readonly HostName[] = hosts.length > 0 ? hosts : [{ name: 'local', tags: [] }];
  const found = name === undefined && known.length === 1 ? known[0] : known.find((h) => h.name === name);
  const names = known.map((h) => h.name).join(', ');
  if (!found) throw usage(name ? `There is no host ${name}; there are ${names}.` : `Which --host: ${names}?`);
  return found;
}

function accountOf(text: string): string {
  if (/^mcp(:[\w.-]+)?$/.test(text)) return text;
  return platformId(text);
}

function platformId(text: string): string {
  if (!/^(slack|discord|console):\S+$/.test(text))
    throw usage(`${text} is not of the form slack:…, discord:… or console:….`);
  return text;
}

/** The console is one place; elsewhere, without a channel, rules that name channels do not hold. */
function conversationOf(account: string, channel: string | undefined): Conversation | undefined {
  const platform = account.split(':')[0];
  if (platform !== 'slack' && platform !== 'discord' && platform !== 'console') return undefined;
  const named = channel?.startsWith(`${platform}:`) ? channel.slice(platform.length + 1) : channel;
  return {
    platform: platform satisfies Platform,
    channel: named ?? (platform === 'console' ? 'console' : ''),
    thread: 'explain',
  };
}

function usage(message: string, remedy?: string): OpsError {
  return new OpsError('config-invalid', message, remedy);
}
