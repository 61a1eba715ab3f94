/**
 * Follows POSIX shell text one character at a time, just far enough to say where a placeholder would stand.
 * It is a lint for the authors of templates; what keeps values harmless is that they are never text of a script.
 */

type Quote = 'none' | 'single' | 'double';

/** One nesting level: the script itself, `( )`, `$( )`, a backtick pair or `${ }`. */
interface Frame {
  readonly opened: '' | '(' | '$(' | '`' | '${';
  quote: Quote;
  /** Finished words of the simple command that is being read; a placeholder in them is a NUL. */
  words: string[];
  word: string;
  redirect: boolean;
}

export interface Misplaced {
  readonly rule: string;
  readonly message: string;
}

export class ShellReader {
  /** The next character is taken literally because of a backslash. */
  escaped = false;
  comment = false;
  private hereDocument = false;
  private readonly frames: Frame[] = [newFrame('')];

  private get frame(): Frame {
    return this.frames.at(-1) as Frame;
  }

  get quote(): Quote {
    return this.frame.quote;
  }

  get word(): string {
    return this.frame.word;
  }

  set word(word: string) {
    this.frame.word = word;
  }

  /** What is still open, for people. */
  get unclosed(): string | undefined {
    const frame = this.frames.findLast((f) => f.quote !== 'none' || (f.opened !== '' && f.opened !== '('));
    if (!frame) return undefined;
    return frame.quote !== 'none' ? `a ${frame.quote} quote` : `a ${frame.opened}`;
  }

  /** Why a placeholder must not stand here; undefined when it may. */
  misplaced(mayBeInQuotes: boolean): Misplaced | undefined {
    const { frame } = this;
    if (this.comment) return { rule: 'placeholder-in-comment', message: 'stands in a comment' };
    if (frame.quote !== 'none' && !mayBeInQuotes)
      return {
        rule: 'placeholder-in-quotes',
        message: 'stands inside quotes; write it bare, it is quoted for you',
      };
    if (this.frames.some((f) => f.opened !== '' && f.opened !== '('))
      return { rule: 'placeholder-in-substitution', message: 'stands inside a substitution' };
    if (this.hereDocument)
      return { rule: 'placeholder-in-here-document', message: 'stands inside or after a here-document' };
    if (frame.redirect) return undefined;
    return placeProblem(commandWords(frame.words), frame.word);
  }

  /** Takes in the character at `i`. */
  read(source: string, i: number): void {
    const { frame } = this;
    const ch = source.charAt(i);
    if (this.comment) {
      if (ch === '\n') this.comment = false;
      if (ch !== '\n') return;
    }
    if (this.escaped) {
      this.escaped = false;
      frame.word += ch;
    } else if (frame.quote === 'single') {
      if (ch === "'") frame.quote = 'none';
      else frame.word += ch;
    } else if (ch === '\\') {
      this.escaped = true;
    } else if (ch === '`') {
      if (frame.opened === '`' && frame.quote === 'none') this.close();
      else this.frames.push(newFrame('`'));
    } else if (ch === '(' && source.charAt(i - 1) === '$') {
      this.frames.push(newFrame('$('));
    } else if (ch === '{' && source.charAt(i - 1) === '$') {
      this.frames.push(newFrame('${'));
    } else if (ch === '"') {
      frame.quote = frame.quote === 'double' ? 'none' : 'double';
      frame.word += '\u0001';
    } else if (frame.quote === 'double') {
      frame.word += ch;
    } else {
      this.readBare(source, i, ch);
    }
  }

  private readBare(source: string, i: number, ch: string): void {
    const { frame } = this;
    if (ch === "'") {
      frame.quote = 'single';
      frame.word += '\u0001';
    } else if (ch === '}' && frame.opened === '${') {
      this.close();
    } else if (ch === ')') {
      if (frame.opened === '(' || frame.opened === '$(') this.close();
      else this.endCommand();
    } else if (ch === '(') {
      this.endCommand();
      this.frames.push(newFrame('('));
    } else if (ch === '#' && frame.word === '' && frame.opened !== '${') {
      this.comment = true;
    } else if (ch === '<' || ch === '>') {
      if (ch === '<' && source.charAt(i - 1) === '<') this.hereDocument = true;
      if (/^\d*$/.test(frame.word)) frame.word = '';
      this.endWord();
      frame.redirect = true;
    } else if (ch === '&' && /[<>]/.test(source.charAt(i - 1))) {
      // Part of 2>&1.
    } else if (/[|;&\n]/.test(ch)) {
      this.endCommand();
    } else if (/\s/.test(ch)) {
      this.endWord();
    } else {
      frame.word += ch;
    }
  }

  private endWord(): void {
    const { frame } = this;
    if (frame.word === '') return;
    if (!frame.redirect) frame.words.push(frame.word);
    frame.redirect = false;
    frame.word = '';
  }

  private endCommand(): void {
    this.frame.words = [];
    this.frame.word = '';
    this.frame.redirect = false;
  }

  private close(): void {
    this.frames.pop();
    this.frame.word += '\u0001';
  }
}

function newFrame(opened: Frame['opened']): Frame {
  return { opened, quote: 'none', words: [], word: '', redirect: false };
}

const reserved = new Set(['if', 'then', 'else', 'elif', 'do', 'while', 'until', '!', '{', 'time']);
/** Tools that run the program named by their operands. */
const launchers = new Set(
  'sudo doas env xargs nohup nice ionice setsid timeout chroot stdbuf nsenter unshare flock command builtin busybox'.split(
    ' ',
  ),
);
/** Tools that read operands as shell text, here or on another machine. */
const rereaders = new Set('eval source . exec trap watch ssh parallel su runuser sg'.split(' '));
const interpreters =
  /^(?:(?:[bdak]|da|z|ba|fi|tc|c|mk|pdk)?sh|fish|python[\d.]*|perl|ruby|node|php|lua[\d.]*)$/;
const programFirst = /^(?:[gmn]?awk|sed|jq)$/;

/** The words from the command's name on: reserved words and assignments are skipped. */
function commandWords(words: readonly string[]): readonly string[] {
  const start = words.findIndex((w) => !reserved.has(w) && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(w));
  return start < 0 ? [] : words.slice(start);
}

function placeProblem(words: readonly string[], word: string): Misplaced | undefined {
  const asCommand = { rule: 'placeholder-as-command', message: "stands where a command's name does" };
  const asCode = { rule: 'placeholder-as-code', message: 'stands where the tool takes code or a command' };
  const names = words.map((w) => w.slice(w.lastIndexOf('/') + 1));
  const [name] = names;
  if (name === undefined) return /^[A-Za-z_][A-Za-z0-9_]*=/.test(word) ? undefined : asCommand;
  if (rereaders.has(name)) return asCode;

  const interpreter = names.findIndex((n) => interpreters.test(n));
  if (interpreter >= 0 && [...words.slice(interpreter + 1), word].some((w) => /^-[A-Za-z]*[ceEr]/.test(w)))
    return asCode;
  const exec = words.findLastIndex((w) => /^-(?:exec|ok)(?:dir)?$/.test(w));
  if (exec >= 0 && !words.slice(exec).some((w) => w === ';' || w === '+')) return asCode;
  const operands = words.slice(1).filter((w) => !/^[-\d]|=/.test(w));
  if (launchers.has(name) && operands.length === 0) return asCommand;
  const program = names.findIndex((n) => programFirst.test(n));
  if (program >= 0 && !words.slice(program + 1).some((w) => !w.startsWith('-')) && !word.startsWith('-'))
    return asCode;
  return undefined;
}
