/**
 * The risk of a template whose author did not state one: a read only when it is made wholly of known read-only tools
 * without their acting options. Whatever is not understood counts as a change.
 */
import type { Template } from '../core/template.ts';

/** True when every command of the template is known to read only. */
export function isKnownRead(template: Template): boolean {
  const text = template.pieces.map((p) => (p.kind === 'text' ? p.text : '/placeholder')).join('');
  const commands = simpleCommands(text.replace(/\s2>(?:\s?\/dev\/null|&1)(?=[\s|;&]|$)/g, ' '));
  return commands !== undefined && commands.length > 0 && commands.every(readsOnly);
}

/** Splits shell text into simple commands of plain words; undefined for anything more than pipes and lists. */
function simpleCommands(text: string): string[][] | undefined {
  const commands: string[][] = [[]];
  let rest = text;
  while (rest !== '') {
    const separator = /^\s*(?:\|\||&&|[|;\n])\s*/.exec(rest);
    const word = /^[ \t]*((?:[A-Za-z0-9_@%+=:,./{}~*?[\]!^-]|'[^']*'|"[^"$`\\]*"|\\[;x+()])+)/.exec(rest);
    const space = /^[ \t]+/.exec(rest);
    if (separator) commands.push([]);
    else if (word) commands.at(-1)?.push((word[1] ?? '').replace(/['"\\]/g, ''));
    else if (!space) return undefined;
    rest = rest.slice((separator ?? word ?? space)?.[0].length);
  }
  return commands.filter((words) => words.length > 0);
}

type Rule = (args: readonly string[]) => boolean;

const always: Rule = () => true;
const without =
  (acting: RegExp): Rule =>
  (args) =>
    !args.some((a) => acting.test(a));
const onlyOptions: Rule = (args) => args.every((a) => a.startsWith('-'));
const first =
  (...words: readonly string[]): Rule =>
  (args) =>
    words.includes(args.find((a) => !a.startsWith('-')) ?? '');

const harmless =
  'uptime whoami uname arch nproc lscpu lsblk lsmem id groups who w users last lastb pwd ls stat readlink realpath basename dirname cat head tail cut tr nl tac rev column fold expand grep egrep fgrep zgrep free vmstat iostat mpstat ps pgrep pstree pidof lsof netstat getent echo printf true false sleep test [ which seq md5sum sha1sum sha256sum strings findmnt locale printenv tty comm cmp diff';

const rules = new Map<string, Rule>(harmless.split(' ').map((tool) => [tool, always]));
rules.set('df', always);
rules.set('du', without(/^--files0-from/));
rules.set('wc', without(/^--files0-from/));
rules.set('hostname', (args) =>
  args.every((a) => /^-[aAdfiIsy]$|^--(?:fqdn|short|all-ip-addresses|ip-address)$/.test(a)),
);
rules.set('date', (args) =>
  args.every((a) => a.startsWith('+') || /^(?:-u|-R|-I\w*|--utc|--iso-8601.*|--rfc-.*)$/.test(a)),
);
rules.set('timedatectl', (args) => args.length === 0 || first('status', 'show', 'list-timezones')(args));
rules.set('hostnamectl', (args) => args.length === 0 || first('status')(args));
rules.set('top', (args) => args.some((a) => /^-[a-zA-Z]*b/.test(a)));
rules.set('sort', without(/^-[A-Za-z]*o|^--(?:o|comp|files0)/));
rules.set('uniq', onlyOptions);
rules.set('tree', without(/^-[A-Za-z]*[oR]|^--output/));
rules.set('ss', without(/^-[A-Za-z]*[KD]|^--(?:kill|diag)/));
rules.set('ip', (args) => {
  const words = args.filter((a) => !a.startsWith('-'));
  const [object, verb] = words;
  return (
    /^(?:a|addr|address|l|link|r|route|ru|rule|n|neigh|maddress)$/.test(object ?? '') &&
    (verb === undefined || /^(?:s|sh|show|list|ls|get)$/.test(verb)) &&
    !args.some((a) => /^-b(?:a|$)|^--?batch|^-n/.test(a))
  );
});
rules.set('dmesg', without(/^-[A-Za-z]*[cCDEn]|^--(?:clear|read-clear|console)/));
rules.set('mount', (args) => args.length === 0);
rules.set('crontab', (args) => args.length === 1 && args[0] === '-l');
rules.set(
  'resolvectl',
  (args) => args.length === 0 || first('status', 'dns', 'domain', 'query', 'statistics')(args),
);
rules.set(
  'systemctl',
  (args) =>
    without(/^-[a-z]*[HM]|^--(?:host|machine|root|image|force|now)/)(args) &&
    (args.length === 0 ||
      first(
        'status',
        'show',
        'cat',
        'is-active',
        'is-enabled',
        'is-failed',
        'is-system-running',
        'list-units',
        'list-timers',
        'list-sockets',
        'list-unit-files',
        'list-jobs',
        'list-dependencies',
        'get-default',
      )(args) ||
      args.every((a) => a.startsWith('-'))),
);
rules.set(
  'journalctl',
  without(
    /^--(?:vacuum|rotate|flush|sync|relinquish|smart-relinquish|cursor-file|setup-keys|update-catalog|root|image|namespace)|^-[a-z]*[M]/,
  ),
);
rules.set('docker', (args) => {
  const [object = '', verb = ''] = args;
  if (/^(?:ps|stats|images|logs|version|info|top|port|diff|history)$/.test(object)) return true;
  return (
    /^(?:container|image|volume|network|system|compose)$/.test(object) &&
    /^(?:ls|list|ps|df|info|logs|stats|top|port)$/.test(verb)
  );
});
rules.set(
  'awk',
  (args) => args.length > 0 && !args.some((a) => /system|getline|[>|]|^-(?!F)|ENVIRON/.test(a)),
);
rules.set(
  'sed',
  (args) =>
    args[0] === '-n' && /^[\d,$]+p$/.test(args[1] ?? '') && args.slice(2).every((a) => !a.startsWith('-')),
);
rules.set('find', (args) => {
  const exec = args.findIndex((a) => /^-(?:exec|ok)/.test(a));
  const acts = /^-(?:delete|fprint|fls|ok)|^-execdir$|^-files0-from/;
  if (args.some((a) => acts.test(a))) return false;
  if (exec < 0) return true;
  const end = args.findIndex((a, i) => i > exec && (a === '+' || a === ';'));
  return end > 0 && readsOnly(args.slice(exec + 1, end)) && rules.get('find')?.(args.slice(end + 1)) === true;
});
rules.set('xargs', (args) => {
  const start = args.findIndex((a) => !/^-(?:0|r|n\d+|-null|-no-run-if-empty)$/.test(a));
  return start >= 0 && readsOnly(args.slice(start));
});

function readsOnly(words: readonly string[]): boolean {
  const [name, ...args] = words;
  return name !== undefined && rules.get(name)?.(args) === true;
}
