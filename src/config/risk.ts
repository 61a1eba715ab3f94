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
/** Long options may be shortened: `--vac` and `--rotate` act where `vacuum` and `rotate` do. */
const withoutLong =
  (...acting: readonly string[]): Rule =>
  (args) =>
    !args.some((a) => {
      const name = /^--([a-z][a-z0-9-]*)/.exec(a)?.[1];
      return name !== undefined && acting.some((act) => act.startsWith(name) || name.startsWith(act));
    });
const both =
  (...all: readonly Rule[]): Rule =>
  (args) =>
    all.every((rule) => rule(args));
const onlyOptions: Rule = (args) => args.every((a) => a.startsWith('-'));
const first =
  (...words: readonly string[]): Rule =>
  (args) =>
    words.includes(args.find((a) => !a.startsWith('-')) ?? '');

const harmless =
  'uptime whoami uname arch nproc lscpu lsblk lsmem id groups who w users last lastb pwd ls stat readlink realpath basename dirname cat head tail cut tr nl tac rev column fold expand grep egrep fgrep zgrep free vmstat iostat mpstat ps pgrep pstree pidof lsof netstat getent echo printf true false sleep test [ which seq md5sum sha1sum sha256sum strings findmnt locale printenv tty comm cmp diff w lastlog lsmod lspci lsusb zcat';

const rules = new Map<string, Rule>(harmless.split(' ').map((tool) => [tool, always]));
rules.set('df', always);
rules.set('du', withoutLong('files0-from'));
rules.set('wc', withoutLong('files0-from'));
rules.set('hostname', (args) =>
  args.every((a) => /^-[aAdfiIsy]$|^--(?:fqdn|short|all-ip-addresses|ip-address)$/.test(a)),
);
rules.set('date', (args) =>
  args.every((a) => a.startsWith('+') || /^(?:-u|-R|-I\w*|--utc|--iso-8601.*|--rfc-.*)$/.test(a)),
);
rules.set('timedatectl', (args) => args.length === 0 || first('status', 'show', 'list-timezones')(args));
rules.set('hostnamectl', (args) => args.length === 0 || first('status')(args));
rules.set('top', (args) => args.some((a) => /^-[a-zA-Z]*b/.test(a)));
rules.set('sort', both(without(/^-[^-]*o/), withoutLong('output', 'compress-program', 'files0-from')));
rules.set('uniq', onlyOptions);
rules.set('tree', both(without(/^-[A-Za-z]*[oR]/), withoutLong('output')));
rules.set('ss', both(without(/^-[A-Za-z]*[KDF]/), withoutLong('kill', 'diag', 'filter')));
rules.set('ip', (args) => {
  const words = args.filter((a) => !a.startsWith('-'));
  const [object, verb] = words;
  return (
    /^(?:a|addr|address|l|link|r|route|ru|rule|n|neigh|maddress)$/.test(object ?? '') &&
    (verb === undefined || /^(?:s|sh|show|list|ls|get)$/.test(verb)) &&
    !args.some((a) => /^-b(?:a|$)|^--?batch|^-n/.test(a))
  );
});
rules.set(
  'dmesg',
  both(
    without(/^-[A-Za-z]*[cCDEn]/),
    withoutLong('clear', 'read-clear', 'console-on', 'console-off', 'console-level'),
  ),
);
rules.set('ifconfig', (args) => args.every((a) => a === '-a'));
rules.set('route', (args) => args.every((a) => /^-[ne]+$/.test(a)));
rules.set('arp', (args) => args.every((a) => /^-[ane]+$/.test(a)));
rules.set('swapon', (args) => args.some((a) => /^(?:-s|--show.*)$/.test(a)) && onlyOptions(args));
rules.set('mount', (args) => args.length === 0);
rules.set('crontab', (args) => args.length === 1 && args[0] === '-l');
rules.set(
  'resolvectl',
  (args) =>
    args.length === 0 ||
    first('status', 'query', 'statistics')(args) ||
    // With a second operand these set what they show.
    (first('dns', 'domain')(args) && args.filter((a) => !a.startsWith('-')).length <= 2),
);
rules.set(
  'systemctl',
  (args) =>
    without(/^-[a-z]*[HM]/)(args) &&
    withoutLong('host', 'machine', 'root', 'image', 'force', 'now')(args) &&
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
  both(
    without(/^-[a-z]*M/),
    withoutLong(
      'vacuum-size',
      'vacuum-time',
      'vacuum-files',
      'rotate',
      'flush',
      'sync',
      'relinquish-var',
      'smart-relinquish-var',
      'cursor-file',
      'setup-keys',
      'update-catalog',
      'root',
      'image',
      'namespace',
      'machine',
    ),
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
  (args) => args.length > 0 && !args.some((a) => /system|getline|[>|@]|^-(?!F)|ENVIRON/.test(a)),
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
  // What it reads may add options: only tools that have none which act.
  const tool = args[start];
  return start >= 0 && tool !== undefined && rules.get(tool) === always;
});

function readsOnly(words: readonly string[]): boolean {
  const [name, ...args] = words;
  return name !== undefined && rules.get(name)?.(args) === true;
}
