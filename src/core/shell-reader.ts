/**
 * Follows POSIX shell text one character at a time, just far enough to say where a placeholder would stand and which
 * simple commands there are. A lint for the authors of templates: values are harmless because they are never script.
 */
import { type Misplaced, placeProblem, reserved } from './placeholder-place.ts';

/** Marks in words: a placeholder; a place where quotes were; what only the running shell knows. */
export const PLACEHOLDER = '\0';
const QUOTE = '\u0001';
export const EXPANSION = '\u0002';

/** One simple command, its quotes removed; PLACEHOLDER and EXPANSION stand for what is not in the text. */
export interface SimpleCommand {
  readonly words: readonly string[];
  readonly redirects: readonly { readonly to: '<' | '<<' | '>' | '>>'; readonly target: string }[];
  /** Its input is the output of another command. */
  readonly piped: boolean;
}

type Redirect = SimpleCommand['redirects'][number];

type Quote = 'none' | 'single' | 'double';

/** One nesting level: the script itself, `( )`, `$( )`, a backtick pair or `${ }`. */
interface Frame {
  readonly opened: '' | '(' | '$(' | '`' | '${';
  quote: Quote;
  /** Finished words of the simple command that is being read; a placeholder in them is a NUL. */
  words: string[];
  word: string;
  redirect: Redirect['to'] | undefined;
  redirects: Redirect[];
  piped: boolean;
}

export class ShellReader {
  /** The next character is taken literally because of a backslash. */
  escaped = false;
  comment = false;
  private hereDocument = false;
  /** Those that have ended, those of substitutions among them; all of them after `finish`. */
  readonly commands: SimpleCommand[] = [];
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
    if (frame.redirect !== undefined)
      return { rule: 'placeholder-in-redirection', message: 'names the file of a redirection' };
    return placeProblem(frame.words, frame.word);
  }

  /** Ends what is still open, for the last of `commands`. */
  finish(): void {
    while (this.frames.length > 1) this.close();
    this.endCommand();
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
      frame.word += QUOTE;
    } else if (ch === '$' && /[\w({@*#?!$-]/.test(source.charAt(i + 1))) {
      frame.word += EXPANSION;
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
      frame.word += QUOTE;
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
      frame.redirect = source.charAt(i - 1) === ch ? (ch === '<' ? '<<' : '>>') : ch;
    } else if (/[&|]/.test(ch) && /[<>]/.test(source.charAt(i - 1))) {
      // Part of 2>&1 or >|.
    } else if (/[|;&\n]/.test(ch)) {
      this.endCommand();
      frame.piped = ch === '|' && source.charAt(i - 1) !== '|' && source.charAt(i + 1) !== '|';
    } else if (/\s/.test(ch)) {
      this.endWord();
    } else {
      frame.word += ch;
    }
  }

  private endWord(): void {
    const { frame } = this;
    if (frame.word === '') return;
    if (frame.redirect === undefined) frame.words.push(frame.word);
    else frame.redirects.push({ to: frame.redirect, target: frame.word.replaceAll(QUOTE, '') });
    frame.redirect = undefined;
    frame.word = '';
  }

  private endCommand(): void {
    this.endWord();
    const { frame } = this;
    const words = frame.words.map((word) => word.replaceAll(QUOTE, ''));
    while (words[0] !== undefined && reserved.has(words[0])) words.shift();
    if (frame.opened !== '${' && words.length + frame.redirects.length > 0)
      this.commands.push({ words, redirects: frame.redirects, piped: frame.piped });
    frame.words = [];
    frame.redirects = [];
    frame.redirect = undefined;
    frame.piped = false;
  }

  private close(): void {
    this.endCommand();
    const closed = this.frames.pop();
    this.frame.word += closed?.opened === '`' ? EXPANSION : QUOTE;
  }
}

function newFrame(opened: Frame['opened']): Frame {
  return { opened, quote: 'none', words: [], word: '', redirect: undefined, redirects: [], piped: false };
}
