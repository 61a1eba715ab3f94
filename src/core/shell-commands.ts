/**
 * The simple commands of a template as the far side will see them, launchers such as sudo, env and xargs taken away.
 */
import type { Param } from './param.ts';
import { wordsOf } from './params.ts';
import { isAssignment } from './placeholder-place.ts';
import { EXPANSION, PLACEHOLDER, ShellReader, type SimpleCommand } from './shell-reader.ts';
import type { Template } from './template.ts';

/** A command that a tool runs: `name` without its folder, `by` the launchers before it, outermost first. */
export interface Command {
  readonly name: string;
  readonly args: readonly string[];
  readonly assignments: readonly string[];
  readonly by: readonly string[];
  readonly redirects: SimpleCommand['redirects'];
  readonly piped: boolean;
}

/** The commands with `values` in their places; a placeholder without a value stays PLACEHOLDER. */
export function commandsOf(
  template: Template,
  params: readonly Param[] = [],
  values: Readonly<Record<string, string>> = {},
): readonly Command[] {
  const shell = new ShellReader();
  for (const piece of template.pieces) {
    if (piece.kind === 'text') {
      readText(shell, piece.text);
      continue;
    }
    const value = Object.hasOwn(values, piece.name) ? values[piece.name] : undefined;
    const words = wordsOf(params.find((p) => p.name === piece.name) ?? {}, value ?? PLACEHOLDER);
    words.forEach((word, i) => {
      if (i > 0) readText(shell, ' ');
      shell.word += word;
    });
  }
  shell.finish();
  return shell.commands.flatMap(unwrapped);
}

/** The commands of shell text that a command hands to another shell. */
export function commandsIn(text: string): readonly Command[] {
  const shell = new ShellReader();
  readText(shell, text);
  shell.finish();
  return shell.commands.flatMap(unwrapped);
}

/** True when the word is known in full: no placeholder and nothing the shell puts in. */
export function isFixed(word: string): boolean {
  return !word.includes(PLACEHOLDER) && !word.includes(EXPANSION);
}

function readText(shell: ShellReader, text: string): void {
  for (let i = 0; i < text.length; i++) shell.read(text, i);
}

/** Options that take a word of their own, and how many operands stand before the command. */
const launchers: Readonly<Record<string, { readonly takes: RegExp; readonly operands?: number }>> = {
  sudo: { takes: /^-[ugCDhpRrtT]$|^--(?:user|group|host|prompt|chdir|role|type|chroot)$/ },
  doas: { takes: /^-[uC]$/ },
  env: { takes: /^-[uC]$|^--(?:unset|chdir)$/ },
  xargs: { takes: /^-[nPILsdEa]$|^--(?:max-args|max-procs|max-lines|delimiter|arg-file|max-chars)$/ },
  nohup: { takes: /^$/ },
  setsid: { takes: /^$/ },
  nice: { takes: /^-n$|^--adjustment$/ },
  ionice: { takes: /^-[cnpPu]$|^--(?:class|classdata)$/ },
  timeout: { takes: /^-[ks]$|^--(?:kill-after|signal)$/, operands: 1 },
  chroot: { takes: /^$/, operands: 1 },
  stdbuf: { takes: /^-[ioe]$/ },
  nsenter: { takes: /^-[tSG]$|^--(?:target|setuid|setgid)$/ },
  unshare: { takes: /^-[RwSG]$/ },
  flock: { takes: /^-[wE]$/, operands: 1 },
  command: { takes: /^$/ },
  builtin: { takes: /^$/ },
  exec: { takes: /^-a$/ },
  busybox: { takes: /^$/ },
  toybox: { takes: /^$/ },
  watch: { takes: /^-n$|^--interval$/ },
};
const containerTools = /^(?:docker|podman|nerdctl|kubectl|lxc|crictl)$/;

function unwrapped(command: SimpleCommand): Command[] {
  let words = [...command.words];
  const assignments: string[] = [];
  const by: string[] = [];
  const strip = () => {
    while (words[0] !== undefined && isAssignment.test(words[0])) assignments.push(words.shift() ?? '');
  };
  strip();
  for (;;) {
    const name = baseName(words[0] ?? '');
    const inside = containerTools.test(name) ? containerCommand(words) : undefined;
    const launcher = Object.hasOwn(launchers, name) ? launchers[name] : undefined;
    if (!inside && !launcher) break;
    by.push(name);
    words = inside ?? withoutOptions(words.slice(1), launcher?.takes ?? /^$/).slice(launcher?.operands ?? 0);
    strip();
  }
  const { redirects, piped } = command;
  const whole: Command = {
    name: baseName(words[0] ?? ''),
    args: words.slice(1),
    assignments,
    by,
    redirects,
    piped,
  };
  return [whole, ...foundCommands(whole)];
}

/** `docker exec [options] NAME command…`; undefined for every other verb. */
function containerCommand(words: readonly string[]): string[] | undefined {
  const verb = words.findIndex((w, i) => i > 0 && w === 'exec');
  if (verb < 0) return undefined;
  const inside = withoutOptions(
    words.slice(verb + 1),
    /^-[uewcn]$|^--(?:user|env|workdir|container|namespace)$/,
  ).slice(1);
  return inside[0] === '--' ? inside.slice(1) : inside;
}

function withoutOptions(words: readonly string[], takes: RegExp): string[] {
  let i = 0;
  while (words[i]?.startsWith('-') || isAssignment.test(words[i] ?? '')) {
    if (words[i] === '--') return words.slice(i + 1);
    i += takes.test(words[i] ?? '') ? 2 : 1;
  }
  return words.slice(i);
}

/** What `find` runs for each file: `-exec command… ;`. */
function foundCommands(find: Command): Command[] {
  if (find.name !== 'find') return [];
  const { args } = find;
  return args.flatMap((arg, i) => {
    if (!/^-(?:exec|ok)(?:dir)?$/.test(arg)) return [];
    const end = args.findIndex((a, j) => j > i && (a === ';' || a === '+'));
    const words = args.slice(i + 1, end < 0 ? undefined : end);
    return unwrapped({ words, redirects: [], piped: false }).map((c) => ({
      ...c,
      by: [...find.by, 'find', ...c.by],
    }));
  });
}

function baseName(word: string): string {
  return word.slice(word.lastIndexOf('/') + 1);
}
