/**
 * Bare words that mean something to the bot itself and never reach the model.
 */

export type Word = 'stop' | 'status' | 'help';

const words: Readonly<Record<string, Word>> = {
  stop: 'stop',
  cancel: 'stop',
  abort: 'stop',
  status: 'status',
  help: 'help',
  '?': 'help',
};

/** The word this message is, when it is nothing else: "Stop!" is one, "stop nginx" is not. */
export function wordOf(text: string): Word | undefined {
  const bare = text
    .trim()
    .toLowerCase()
    .replace(/[.!\s]+$/u, '');
  return Object.hasOwn(words, bare) ? words[bare] : undefined;
}
