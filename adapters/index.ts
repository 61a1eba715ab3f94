/**
 * The chat platforms that are switched on, each loaded only then: their SDKs cost more to import than all the rest.
 */
import type { Board, ChatAdapter, Clock, Logger } from '../src/core/ports.ts';
import type { Directory } from './console/directory.ts';
import type { Console, ConsoleOptions } from './console/index.ts';

export interface AdapterSettings {
  readonly console: {
    readonly host: string;
    readonly port: number;
    readonly token: string;
    readonly tokenConfigured: boolean;
    readonly sessionKey: string;
    readonly origins: readonly string[];
  };
  readonly slack?: {
    readonly botToken: string;
    readonly appToken?: string;
    readonly signingSecret?: string;
    readonly apiUrl?: string;
  };
  readonly discord?: { readonly token: string; readonly guildId?: string; readonly apiUrl?: string };
}

export interface Adapters {
  readonly console: Console;
  /** The console's included. */
  readonly all: readonly ChatAdapter[];
}

export async function loadAdapters(
  settings: AdapterSettings,
  parts: {
    readonly board: Board;
    readonly directory: Directory;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  local: Pick<ConsoleOptions, 'people' | 'endedSessions' | 'approvals' | 'audit'>,
): Promise<Adapters> {
  const { createConsole } = await import('./console/index.ts');
  const page = createConsole({ ...settings.console, ...parts, ...local });
  const all: ChatAdapter[] = [page];
  if (settings.slack) {
    const { createSlack } = await import('./slack/index.ts');
    all.push(createSlack({ ...settings.slack, ...parts }));
  }
  if (settings.discord) {
    const { createDiscord } = await import('./discord/index.ts');
    all.push(createDiscord({ ...settings.discord, ...parts }));
  }
  return { console: page, all };
}
