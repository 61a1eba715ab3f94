/**
 * Bare words that mean something to the bot itself and never reach the model.
 */

type Order = 'freeze' | 'unfreeze' | 'revoke';

export type Word = 'stop' | 'status' | 'help' | 'pending';

const words: Readonly<Record<string, Word>> = {
  stop: 'stop',
  cancel: 'stop',
  abort: 'stop',
  status: 'status',
  pending: 'pending',
  approvals: 'pending',
  help: 'help',
  '?': 'help',
};

/** The word this message is, when it is nothing else: "Stop!" is one, "stop nginx" is not. */
export function wordOf(text: string): Word | undefined {
  const bare = text
    .trim()
    .toLowerCase()
    .replace(/^\//, '')
    .replace(/[.!\s]+$/u, '');
  return Object.hasOwn(words, bare) ? words[bare] : undefined;
}

/** An order to the whitelist server, with its reason after a colon: "freeze: the database is being moved". */
export function orderIn(text: string): { readonly order: Order; readonly reason?: string } | undefined {
  const [, word, reason] =
    /^\/?(freeze|unfreeze|revoke)(?:[.!\s]*|\s*:\s*(.{1,300}))$/isu.exec(text.trim()) ?? [];
  if (word === undefined) return undefined;
  return { order: word.toLowerCase() as Order, ...(reason?.trim() ? { reason: reason.trim() } : {}) };
}

/**
 * The id in "show ID": anything after "show approval", else what could be one of our ids, so that "show memory" stays
 * a question.
 */
export function shownId(text: string): string | undefined {
  const [, named, alike] =
    /^\/?show\s+(?:approval\s+(\S+?)|(r[0-9a-f]{8,}(?:-\S*?)?))[.!\s]*$/iu.exec(text.trim()) ?? [];
  return named ?? alike;
}
