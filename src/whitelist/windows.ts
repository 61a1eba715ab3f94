/**
 * Windows: for some minutes the same command with the same values on the same hosts may run again in the same
 * thread, because people said so when they approved it. Each keeps their signed votes; the gate checks them anew.
 */
import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Conversation, sameConversation } from '../core/conversation.ts';
import type { ApprovalId } from '../core/ids.ts';
import type { SignedVote } from '../core/signed.ts';

export interface Window {
  /** Of the approval that opened it. */
  readonly id: ApprovalId;
  /** Digest of the bound command: another argument, host or catalogue text is not covered. */
  readonly command: string;
  readonly digest: string;
  readonly rule: string;
  readonly conversation: Conversation;
  readonly votes: readonly SignedVote[];
  readonly until: number;
}

interface Revoked {
  readonly ended: number;
  /** Whether there may be files that could not be removed. */
  readonly left: boolean;
}

export interface Windows {
  /** The one that covers this command here and now; undefined also where none can be read. */
  find(command: string, conversation: Conversation, now: number): Promise<Window | undefined>;
  /** On disk when it resolves. */
  open(window: Window): Promise<void>;
  /** Ends those of a thread, or all. Never rejects. */
  revoke(conversation: Conversation | undefined): Promise<Revoked>;
}

export function openWindows(dataDir: string): Windows {
  const dir = join(dataDir, 'windows');

  async function all(): Promise<readonly { readonly file: string; readonly window: Window | undefined }[]> {
    const names = await readdir(dir).catch(unlessMissing);
    return Promise.all(
      (names ?? [])
        .filter((name) => name.endsWith('.json'))
        .map(async (name) => ({ file: join(dir, name), window: await read(join(dir, name)) })),
    );
  }

  return {
    async find(command, conversation, now) {
      for (const { file, window } of await all().catch(() => [])) {
        if (window && isOver(window, now)) await unlink(file).catch(() => {});
        else if (window?.command === command && sameConversation(window.conversation, conversation))
          return window;
      }
      return undefined;
    },
    async open(window) {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const file = join(dir, `${window.id}.json`);
      const handle = await open(`${file}.draft`, 'w', 0o600);
      try {
        await handle.writeFile(JSON.stringify(window));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(`${file}.draft`, file);
    },
    async revoke(conversation) {
      const there = await all().catch(() => undefined);
      if (!there) return { ended: 0, left: true };
      const theirs = there.filter(
        // One that cannot be read opens nothing, and goes with the first that is ended.
        ({ window }) =>
          !window || conversation === undefined || sameConversation(window.conversation, conversation),
      );
      let ended = 0;
      let left = false;
      for (const { file, window } of theirs) {
        const outcome = await removed(file);
        if (outcome === 'removed' && window) ended += 1;
        if (outcome === 'left') left = true;
      }
      return { ended, left };
    },
  };
}

/** Also when it was opened in what is now the future: a clock that went back prolongs none. */
function isOver({ until, votes }: Window, now: number): boolean {
  return until <= now || votes.some((v) => v.statement.at > now);
}

/** Somebody else may have ended it at the same moment. */
async function removed(file: string): Promise<'removed' | 'gone' | 'left'> {
  try {
    await unlink(file);
    return 'removed';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'left';
  }
}

async function read(file: string): Promise<Window | undefined> {
  try {
    const window = JSON.parse(await readFile(file, 'utf8')) as Window;
    return window.votes.every(({ statement }) => typeof statement.at === 'number') ? window : undefined;
  } catch {
    return undefined;
  }
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
