/**
 * From a sentence to tool calls: an ordered list of rules, the first that fits decides.
 */
import type { JsonObject } from '../../core/json.ts';
import { topicsOf } from './rehearsal-topics.ts';
import type { Catalogue, Command, Words } from './rehearsal-words.ts';
import { containerIn, parametersFor, serviceIn, wordsOf } from './rehearsal-words.ts';

export interface Step {
  readonly tool: string;
  readonly args: JsonObject;
}

export interface Plan {
  readonly say: string;
  readonly calls: readonly Step[];
}

/** What to do about one message. Without calls, `say` is the answer. */
export function plan(said: string, known: Catalogue): Plan {
  const words = wordsOf(said, known);
  if (words.unknownHost)
    return answer(`I know no host \`${words.unknownHost}\`. The hosts are ${list(known.hosts)}.`);
  for (const rule of rules) {
    const found = rule(words, known);
    if (found) return found;
  }
  return answer(capabilities(known));
}

type Rule = (words: Words, known: Catalogue) => Plan | undefined;

const rules: readonly Rule[] = [
  byName,
  talk,
  practice,
  restart,
  clean,
  forbidden,
  commandList,
  ofPath,
  logs,
  overview,
  service,
  (words, known) => reading(topicsOf(words.bare), words, known),
];

/** Called by its own name: with an underscore anywhere, a plain word only when little else was said. */
function byName(words: Words, known: Catalogue): Plan | undefined {
  const said = words.text.toLowerCase().split(/[^\w-]+/);
  const rest = words.bare
    .split(/\W+/)
    .filter((w) => !/^(run|show|execute|me|please|the|on|at|host|)$/.test(w));
  const command = known.commands.find(
    (c) => said.includes(c.name.toLowerCase()) && (c.name.includes('_') || rest.length <= 1),
  );
  if (command) return commanded(command, parametersFor(command, words), words, known);
  const tool = [...known.tools].find((t) => t.includes('_') && said.includes(t));
  if (!tool || tool === 'execute_command') return undefined;
  const service = tool === 'check_service' ? (serviceIn(words.text) ?? '') : '';
  if (tool === 'check_path_size') return ofPath(words, known);
  return reading([tool], words, known, service ? { service_name: service } : {});
}

function talk({ bare }: Words, known: Catalogue): Plan | undefined {
  if (/^\W*(hi|hello|hey|help|good (morning|evening))\b\W*$|\bwhat can you do\b|\bwho are you\b/.test(bare))
    return answer(capabilities(known));
  if (/^\W*(thanks?|thank you|cheers)\b/.test(bare)) return answer('You are welcome.');
  if (/^\W*(approved?|yes|go ahead|do it|deny|denied)\W*$/.test(bare))
    return answer(
      'An approval is given or denied with the buttons on its card; words in the thread do not count.',
    );
  return undefined;
}

function practice(words: Words, known: Catalogue): Plan | undefined {
  const wanted =
    /\bpracti[cs]e\b|\b(try|test|show|demo|see)\b.*\bapprovals?\b|\bapproval (card|demo|test)\b|\bdemo\b/;
  if (!wanted.test(words.bare)) return undefined;
  const command =
    known.commands.find((c) => /practi[cs]e|marker|demo/.test(c.name)) ??
    known.commands.find((c) => c.sensitive && /practi[cs]e|harmless/i.test(c.description));
  if (!command) return answer('The whitelist here has no command to practise an approval with.');
  return commanded(command, parametersFor(command, words), words, known);
}

function restart(words: Words, known: Catalogue): Plan | undefined {
  if (!/\b(restart|bounce|reload)\b/.test(words.bare)) return undefined;
  const isContainer = /\bcontainer\b|\bdocker restart\b/.test(words.bare);
  const target = isContainer ? containerIn(words.text) : serviceIn(words.text);
  if (!target)
    return answer(
      `Which ${isContainer ? 'container' : 'service'}? Say for example "restart the nginx service" or "restart the container web"; "try an approval" asks for something harmless.`,
    );
  return named(isContainer ? 'docker_restart' : 'restart_service', words, known, target);
}

function clean(words: Words, known: Catalogue): Plan | undefined {
  if (!/\b(clean|vacuum|trim|prune|purge|shrink|tidy|free up)\b/.test(words.bare)) return undefined;
  return named('vacuum_journal', words, known);
}

/** Verbs of change that no rule above took. Only where they command, not where they are talked about. */
function forbidden({ bare }: Words, known: Catalogue): Plan | undefined {
  const verb =
    /(?:^|: |please |can you |could you )(reboot|shut ?down|power ?off|kill|delete|remove|rm|install|upgrade|update|deploy|drop|stop|start|edit|write|create|chmod|format|sudo)\b/.exec(
      bare,
    )?.[1];
  if (!verb) return undefined;
  const sensitive = known.commands.filter((c) => c.sensitive).map((c) => c.name);
  const instead =
    sensitive.length > 0 ? ` What can change something, with an approval: ${list(sensitive)}.` : '';
  return answer(`I found no whitelisted command for "${verb}", so nothing was run.${instead}`);
}

function commandList({ bare, ...words }: Words, known: Catalogue): Plan | undefined {
  if (/\b(what|which|list|show)\b.*\bcommands?\b|^\W*commands\b/.test(bare))
    return reading(['list_commands'], { ...words, bare }, known);
  return /\bping\b/.test(bare) ? reading(['ping'], { ...words, bare }, known) : undefined;
}

function ofPath(words: Words, known: Catalogue): Plan | undefined {
  if (!words.path) return undefined;
  if (/\b(largest|biggest)\b/.test(words.bare)) return named('largest_files', words, known);
  return reading(['check_path_size'], words, known, { path: words.path });
}

function logs(words: Words, known: Catalogue): Plan | undefined {
  const { bare, text } = words;
  if (!/\b(logs?|journal|syslog|dmesg|journalctl)\b/.test(bare)) return undefined;
  if (/\b(auth|logins?|ssh|sudo)\b/.test(bare)) return named('auth_log', words, known);
  if (/\b(dmesg|kernel)\b/.test(bare)) return named('dmesg_recent', words, known);
  const container = /\b(container|docker)\b/.test(bare) ? containerIn(text) : undefined;
  if (container && container !== 'docker') return named('docker_logs', words, known, container);
  const service = /\bsys(tem)? ?log\b/.test(bare) ? undefined : serviceIn(text);
  return service ? named('service_logs', words, known, service) : named('syslog_recent', words, known);
}

function overview(words: Words, known: Catalogue): Plan | undefined {
  const wanted =
    /\b(overview|everything|health ?check|summary)\b|\bhow (is|are) (the |this |my )?(server|machine|host|box|system)s?\b/;
  return wanted.test(words.bare) ? reading(['system_overview'], words, known) : undefined;
}

function service(words: Words, known: Catalogue): Plan | undefined {
  const { bare } = words;
  if (/\b(failed|broken|dead) (services?|units?)\b|\bservices? (have |has )?failed\b/.test(bare))
    return named('failed_services', words, known);
  if (/\b(active|running|all|list|what|which) (the )?services\b/.test(bare))
    return named('active_services', words, known);
  const state =
    /\b(running|up|active|down|alive|ok|okay|healthy|started|stopped|dead|working|enabled|status|state|health|service|unit|daemon)\b/;
  const target = state.test(bare) ? serviceIn(words.text.replace(/\b(on|at) \S+$/i, '')) : undefined;
  return target ? reading(['check_service'], words, known, { service_name: target }) : undefined;
}

// ---- what plans are made of ----

function answer(say: string): Plan {
  return { say, calls: [] };
}

/** A command of the catalogue; `value` goes to its first parameter. */
function named(name: string, words: Words, known: Catalogue, value?: string): Plan {
  const command = known.commands.find((c) => c.name === name);
  if (!command) return absent([name]);
  const first = command.params[0]?.name;
  const given = value !== undefined && first ? { [first]: value } : {};
  return commanded(command, { ...parametersFor(command, words), ...given }, words, known);
}

function commanded(
  command: Command,
  parameters: Readonly<Record<string, string>>,
  words: Words,
  known: Catalogue,
): Plan {
  const missing = command.params.filter((p) => !p.optional && !(p.name in parameters)).map((p) => p.name);
  if (missing.length > 0)
    return answer(
      `\`${command.name}\` needs ${list(missing)}. Say for example \`${command.name} ${missing[0]}=…\`.`,
    );
  const text = words.text.length > 120 ? `${words.text.slice(0, 119)}…` : words.text;
  const args = {
    command_name: command.name,
    ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
    ...(command.sensitive ? { reason: `Asked for: ${text}` } : {}),
  };
  const what = [command.name, ...Object.values(parameters)].map((w) => `\`${w}\``).join(' ');
  const say = command.sensitive ? `${what} changes something, so it runs only if people approve.` : undefined;
  return onHosts([{ tool: 'execute_command', args }], words, known, say);
}

/** Tools and read-only commands by name. Undefined for none. */
function reading(
  names: readonly string[],
  words: Words,
  known: Catalogue,
  args: JsonObject = {},
): Plan | undefined {
  if (names.length === 0) return undefined;
  const plans = names.map((name) =>
    known.tools.has(name) ? onHosts([{ tool: name, args }], words, known) : named(name, words, known),
  );
  const calls = plans.flatMap((p) => p.calls);
  if (calls.length === 0) return plans[0];
  return onHosts(calls, { ...words, hosts: [] }, known);
}

function onHosts(steps: readonly Step[], { hosts }: Words, known: Catalogue, say?: string): Plan {
  if (hosts.length === 0 && steps.some((s) => known.needHost.has(s.tool) && !('host' in s.args)))
    return answer(`On which host? There are ${list(known.hosts)}; "everywhere" asks them all.`);
  const calls = steps.flatMap((step) =>
    hosts.length === 0 ? [step] : hosts.map((host) => ({ tool: step.tool, args: { ...step.args, host } })),
  );
  const where = [...new Set(calls.flatMap(({ args }) => (typeof args.host === 'string' ? [args.host] : [])))];
  const on = where.length > 0 ? ` on ${list(where)}` : '';
  return { say: say ?? `Running ${list([...new Set(calls.map(nameOf))])}${on}.`, calls };
}

function absent(names: readonly string[]): Plan {
  return answer(`The whitelist here has no ${list(names)}, so nothing was run.`);
}

/** The word people know a call by: its command, else its tool. */
export function nameOf(step: Step): string {
  const command = step.args.command_name;
  return step.tool === 'execute_command' && typeof command === 'string' ? command : step.tool;
}

function capabilities(known: Catalogue): string {
  const on = known.hosts.length > 0 ? ` Hosts here: ${list(known.hosts)}; name one to ask it.` : '';
  return `I know a few dozen phrases. Try "check the server status", "how much disk space is available?", "what's eating memory", "is the docker service running?", "logs of nginx", "check the size of /var/log", "give me a system overview" or "what commands can you run?". The name of a whitelisted command works too. "Restart the nginx service" or "try an approval" asks people first.${on}`;
}

/** Names as people read them: `a`, `b` and `c`. */
export function list(names: readonly string[]): string {
  const quoted = names.map((n) => `\`${n}\``);
  const last = quoted.pop() ?? 'nothing';
  return quoted.length > 0 ? `${quoted.join(', ')} and ${last}` : last;
}
