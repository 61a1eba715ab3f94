/**
 * Where in a simple command a placeholder must not stand: as the command, where a tool takes code, as an option.
 */

export interface Misplaced {
  readonly rule: string;
  readonly message: string;
}

export const reserved = new Set(['if', 'then', 'else', 'elif', 'do', 'while', 'until', '!', '{', 'time']);
/** Tools that run the program named by their operands. */
const launchers = new Set(
  'sudo doas env xargs nohup nice ionice setsid timeout chroot stdbuf nsenter unshare flock command builtin busybox'.split(
    ' ',
  ),
);
/** Tools that read operands as shell text, here or on another machine. */
const rereaders = new Set('eval source . exec trap watch ssh parallel su runuser sg at batch'.split(' '));
export const interpreters =
  /^(?:(?:[bdak]|da|z|ba|fi|tc|c|mk|pdk|r)?sh|fish|python[\d.]*|perl|ruby|node|nodejs|deno|bun|php|lua[\d.]*|tclsh|expect|gdb)$/;
export const isAssignment = /^[A-Za-z_][A-Za-z0-9_]*=/;
const programFirst = /^(?:[gmn]?awk|sed|jq)$/;

/** `before` are the finished words of the command, `word` what stands before the placeholder in its own. */
export function placeProblem(before: readonly string[], word: string): Misplaced | undefined {
  const asCommand = { rule: 'placeholder-as-command', message: "stands where a command's name does" };
  const asCode = { rule: 'placeholder-as-code', message: 'stands where the tool takes code or a command' };
  const words = commandWords(before);
  const names = words.map((w) => w.slice(w.lastIndexOf('/') + 1));
  const [name] = names;
  if (name === undefined) return isAssignment.test(word) ? undefined : asCommand;
  if (rereaders.has(name)) return asCode;

  const interpreter = names.findIndex((n) => interpreters.test(n));
  if (interpreter >= 0) {
    const after = words.slice(interpreter + 1);
    // A script of the author's own may take values; the script itself, and code on the line, may not be one.
    if ([...after, word].some((w) => /^-[A-Za-z]*[ceErs]/.test(w))) return asCode;
    if ((interpreter === 0 || launchers.has(name)) && !after.some((w) => !w.startsWith('-'))) return asCode;
  }
  const exec = words.findLastIndex((w) => /^-(?:exec|ok)(?:dir)?$/.test(w));
  if (exec >= 0 && !words.slice(exec).some((w) => w === ';' || w === '+')) return asCode;
  const operands = words.slice(1).filter((w) => !/^[-\d]|=/.test(w));
  if (launchers.has(name) && operands.length === 0) return asCommand;
  const program = names.findIndex((n) => programFirst.test(n));
  if (program >= 0 && !words.slice(program + 1).some((w) => !w.startsWith('-')) && !word.startsWith('-'))
    return asCode;
  // `-n{lines}` is judged by the parameter's type, `--size={size}` is a value.
  if (/^-[^=]*$/.test(word) && !/^-[A-Za-z]$/.test(word))
    return { rule: 'placeholder-in-option', message: 'makes part of an option’s name' };
  return undefined;
}

/** The words from the command's name on: reserved words and assignments are skipped. */
function commandWords(words: readonly string[]): readonly string[] {
  const start = words.findIndex((w) => !reserved.has(w) && !isAssignment.test(w));
  return start < 0 ? [] : words.slice(start);
}
