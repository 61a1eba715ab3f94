/**
 * The tools that tell what there is and run nothing: the commands and hosts that this caller may use, and everything
 * about one command. Rights are those of the people who ask, in the place where they ask.
 */
import { z } from 'zod';
import type { CommandSpec, Host, Risk } from '../core/command.ts';
import type { JsonObject } from '../core/json.ts';
import type { Param } from '../core/param.ts';
import { expected } from '../core/params.ts';
import type { Policy } from '../core/policy.ts';
import { decide, inScope, type PolicyDecision } from '../core/policy-decision.ts';
import { resolveTargets } from '../core/targets.ts';
import { visible } from '../core/visible.ts';
import { placeOf } from './gate.ts';
import type { Caller } from './identity.ts';
import type { ToolReply } from './reply.ts';
import { ExplainOutput, HostsOutput, ListOutput, oneOf, targetsOf } from './schemas.ts';
import { signature, type Tool, tool } from './tools-shape.ts';

export interface CatalogueToolsOptions {
  readonly catalogue: readonly CommandSpec[];
  readonly hosts: readonly Host[];
  readonly fallback: string | undefined;
  readonly policy: () => Policy | Promise<Policy>;
}

export function createCatalogueTools(options: CatalogueToolsOptions): readonly Tool[] {
  const { catalogue, hosts, fallback } = options;
  const onAnyHost = { host: targetsOf(hosts, 'Only what may run on this host').optional() };
  const categories = [...new Set(catalogue.map((c) => c.category))];
  const named = oneOf(
    catalogue.map((c) => c.name),
    'The command to explain',
  );
  return [
    tool({
      name: 'list_commands',
      title: 'List commands',
      description: 'The commands you may run or ask for here, with their parameters, by category.',
      input: z.strictObject({ category: oneOf(categories, 'Only this category').optional(), ...onAnyHost }),
      output: ListOutput,
      readOnly: true,
      async run({ category, host }, { caller }) {
        const found = host === undefined ? undefined : resolveTargets(host, hosts);
        const where = found?.ok ? found.hosts : hosts;
        const specs = catalogue.filter((c) => category === undefined || c.category === category);
        return listing(specs, where, caller, await options.policy());
      },
    }),
    tool({
      name: 'list_hosts',
      title: 'List hosts',
      description: 'The hosts on which you may run or ask for something here, with their tags.',
      input: z.strictObject({}),
      output: HostsOutput,
      readOnly: true,
      async run(_, { caller }) {
        return hostList(catalogue, hosts, fallback, caller, await options.policy());
      },
    }),
    tool({
      name: 'explain',
      title: 'Explain a command',
      description:
        'Everything about one command: what it runs, its parameters, its risk and why, who may approve it, where it may run. Runs nothing.',
      input: z.strictObject({ command_name: named }),
      output: ExplainOutput,
      readOnly: true,
      async run({ command_name: name }, { caller }) {
        const spec = catalogue.find((c) => c.name === name);
        if (!spec) throw new TypeError('the schema let an unknown command through');
        return explanation(spec, hosts, caller, await options.policy());
      },
    }),
  ];
}

function verdict(policy: Policy, caller: Caller, spec: CommandSpec, host: Host): PolicyDecision['kind'] {
  if (!inScope(spec, host) || spec.floor !== undefined) return 'refuse';
  const conversation = placeOf(policy, caller, spec);
  return decide(policy, caller.askers, { command: spec, host, conversation }).kind;
}

function listing(
  specs: readonly CommandSpec[],
  hosts: readonly Host[],
  caller: Caller,
  policy: Policy,
): ToolReply {
  const offered = specs.flatMap((spec) => {
    const where = hosts
      .map((host) => ({ name: host.name, kind: verdict(policy, caller, spec, host) }))
      .filter(({ kind }) => kind !== 'refuse');
    const asks = spec.risk !== 'read' || where.some(({ kind }) => kind === 'ask');
    return where.length > 0 ? [{ spec, asks, hosts: where.map((w) => w.name) }] : [];
  });
  const commands = offered.map(({ spec, asks, hosts: on }) => {
    const parameters = spec.params.map(({ name, description, optional }) => ({
      name,
      description,
      optional,
    }));
    const { name, description, category, risk } = spec;
    return { name, description, category, risk, needs_approval: asks, parameters, hosts: on };
  });
  const lines = [...new Set(commands.map((c) => c.category))].flatMap((category) => [
    `${category}:`,
    ...offered
      .filter(({ spec }) => spec.category === category)
      .map(({ spec, asks }) => `- ${signature(spec)}: ${spec.description}${asks ? ' [approval]' : ''}`),
  ]);
  const none = 'There is no command here that you may run.';
  return { text: lines.join('\n') || none, isError: false, structured: { commands } };
}

const risks: readonly Risk[] = ['read', 'change', 'critical'];

function hostList(
  catalogue: readonly CommandSpec[],
  all: readonly Host[],
  fallback: string | undefined,
  caller: Caller,
  policy: Policy,
): ToolReply {
  const hosts = all.flatMap((host) => {
    const may = risks.filter((risk) =>
      catalogue.some((spec) => spec.risk === risk && verdict(policy, caller, spec, host) !== 'refuse'),
    );
    const { name, tags, tier } = host;
    return may.length > 0 ? [{ name, tags: [...tags], tier, default: name === fallback, may: [...may] }] : [];
  });
  const lines = hosts.map(
    (h) =>
      `- ${h.name}${h.default ? ' (default)' : ''}: ${[h.tier, ...h.tags].join(', ')}; ${h.may.join(', ')}`,
  );
  const none = 'There is no host here on which you may run anything.';
  return { text: lines.join('\n') || none, isError: false, structured: { hosts } };
}

function explanation(spec: CommandSpec, all: readonly Host[], caller: Caller, policy: Policy): ToolReply {
  const parameters = spec.params.map(explainParam);
  const hosts = all
    .filter((host) => inScope(spec, host))
    .map((host) => explainHost(policy, caller, spec, host));
  const why = spec.floor ?? whyRisk[spec.risk];
  const runs = visible(spec.template.source);
  const { name, description, category, risk } = spec;
  const text = [
    `${signature(spec)} — ${description} (${category})`,
    `Runs: ${runs}`,
    `Risk: ${risk}. ${why}`,
    ...parameters.map(
      (p) => `- ${p.name}: ${p.takes}${p.optional ? ', may be left out' : ''}. ${p.description}`,
    ),
    ...hosts.map((h) => `On ${h.name}: ${[h.verdict, h.reason].filter(Boolean).join(', ')}`),
    `Ends after ${spec.timeoutSeconds} s at the latest; keeps ${spec.maxOutputBytes} bytes of output.`,
  ];
  const structured: JsonObject = {
    command: name,
    description,
    category,
    runs,
    risk,
    why,
    parameters,
    hosts,
    timeout_seconds: spec.timeoutSeconds,
    max_output_bytes: spec.maxOutputBytes,
    examples: [...spec.examples],
  };
  return { text: text.join('\n'), isError: false, structured };
}

function explainParam({ name, description, type, optional, default: given, several }: Param) {
  return {
    name,
    description,
    takes: several === undefined ? expected(type) : `up to ${several} values, each ${expected(type)}`,
    optional: optional || given !== undefined,
    ...(given === undefined ? {} : { default: given }),
    ...(type.kind === 'choice' ? { choices: [...type.values] } : {}),
  };
}

function explainHost(policy: Policy, caller: Caller, spec: CommandSpec, host: Host) {
  const conversation = placeOf(policy, caller, spec);
  const decision = decide(policy, caller.askers, { command: spec, host, conversation });
  const { name } = host;
  switch (decision.kind) {
    case 'refuse':
      return { name, verdict: 'refused', reason: decision.reason, rule: decision.rule };
    case 'allow':
      return { name, verdict: 'allowed', rule: decision.rule };
    case 'ask': {
      const { rule } = decision;
      const reason = `${rule.people} of ${rule.who.join(', ')} must approve`;
      return {
        name,
        verdict: 'approval',
        reason,
        rule: rule.name,
        approvers: [...rule.who],
        people: rule.people,
      };
    }
    default:
      return decision satisfies never;
  }
}

const whyRisk: Readonly<Record<Risk, string>> = {
  read: 'It changes nothing, so it needs nobody’s word.',
  change: 'It changes something on the host, or nobody has said that it only reads; people approve each run.',
  critical: 'It can do lasting harm, so at least two people approve each run.',
};
