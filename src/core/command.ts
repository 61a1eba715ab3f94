/**
 * A whitelisted command, the hosts it may run on, what rendering makes of it and how it ended.
 * Only `render` (whitelist) makes a RenderedCommand; nothing else ever becomes text for a shell.
 */
import type { JsonObject } from './json.ts';
import type { Param } from './param.ts';
import type { Template } from './template.ts';

export type Risk = 'read' | 'change' | 'critical';

/** One entry of the catalogue. `template` is the author's fixed shell text with its placeholders found. */
export interface CommandSpec {
  readonly name: string;
  readonly description: string;
  readonly category: string;
  readonly template: Template;
  readonly params: readonly Param[];
  readonly risk: Risk;
  /** Host names or `@tag`; empty means every host. */
  readonly hosts: readonly string[];
  readonly timeoutSeconds: number;
  readonly maxOutputBytes: number;
  readonly examples: readonly string[];
  /** Name of the approval rule that this command wants, whatever its risk would choose. */
  readonly approval?: string;
  /** A read of the catalogue that shows the state this command changes; takes the values it shares with it. */
  readonly probe?: string;
  /** The command of the catalogue that reverses this one; takes the values it shares with it. */
  readonly undo?: string;
  /** Rendered with `sudo -n --` before it; the prefix is part of the template. */
  readonly sudo?: true;
  /** The rule of the floor that the text alone breaks, with its reason: it never runs, whatever is approved. */
  readonly floor?: string;
}

/** How a host's key is known: pinned SHA256 fingerprint, a known_hosts file, or what the tailnet says of the node. */
export type HostKeySource =
  | { readonly kind: 'fingerprint'; readonly sha256: string }
  | { readonly kind: 'known-hosts'; readonly file: string }
  | { readonly kind: 'tailnet' };

/** One machine commands may run on. `name` is an id: matched exactly, never resolved. */
export interface Host {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** `none` is for Tailscale SSH, where the tailnet says who we are; undefined: the key file, else the SSH agent. */
  readonly auth?: 'none';
  readonly keyFile?: string;
  /** Name of the environment variable or setting that held the passphrase is for messages only. */
  readonly passphrase?: string;
  readonly hostKey: HostKeySource;
  /** Name of the host of the inventory through which this one is reached. */
  readonly jump?: string;
  /** SOCKS5 proxy through which it is reached, as a userspace tailscaled offers one. */
  readonly proxy?: { readonly host: string; readonly port: number };
  /** True where the login runs the remote gate (`opsagent gate`): it takes requests for commands, no shell text. */
  readonly gate?: true;
  /** PATH on the far side; undefined for the standard one. */
  readonly path?: string;
  readonly tags: readonly string[];
  readonly tier: string;
}

/** What will run, exactly. `digest` covers the spec, the typed values and the host with its key and login. */
export interface RenderedCommand {
  readonly command: string;
  readonly host: string;
  readonly values: Readonly<Record<string, string>>;
  /** The command as a person reads it on a card: the template with its values shown quoted. */
  readonly line: string;
  /** The script handed to the remote shell, values by position as "$1", "$2"… */
  readonly script: string;
  readonly args: readonly string[];
  readonly timeoutSeconds: number;
  readonly maxOutputBytes: number;
  readonly digest: string;
  /** The rule of the floor that it breaks with these values, with its reason: the gate refuses it. */
  readonly floor?: string;
  /** What the digest was made of: the command as the catalogue has it, its values, and the host as the inventory has it. */
  readonly bound: { readonly what: JsonObject; readonly where: JsonObject };
}

/** How a command ended. `ended` false means that something may still run on the host. */
export type CommandEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  | { readonly kind: 'timed-out'; readonly ended: boolean }
  | { readonly kind: 'cancelled'; readonly ended: boolean }
  /** Nothing has run: no connection, a refused key, a login shell that ended first. */
  | { readonly kind: 'unreachable'; readonly problem: string }
  /** Started, then the connection or the process that watched it went away: the outcome is unknown. */
  | { readonly kind: 'lost'; readonly problem: string };

export interface CommandResult {
  readonly end: CommandEnd;
  readonly stdout: string;
  readonly stderr: string;
  /** Bytes were left out on the far side because the output limit was reached. */
  readonly truncated: boolean;
  readonly ms: number;
  /** SHA256 fingerprint of the key that the host showed, when there was a connection. */
  readonly hostKey?: string;
}

/** One command as the thread shows it after it ran; output is cleaned and cut for display. */
export interface RanCommand {
  readonly command: string;
  readonly host: string;
  readonly line: string;
  readonly end: CommandEnd;
  readonly ms: number;
  readonly output: string;
  readonly truncated: boolean;
  /** Under which `read_output` has all of it, for the conversation that made it. */
  readonly outputId?: string;
  /** What `output` leaves out; the line that says so stands in it. */
  readonly gap?: { readonly lines: number; readonly characters: number };
  /** Further hosts on which it ended the same with the same output, in the order of the inventory. */
  readonly sameOn?: readonly string[];
  /** The output as a unified diff against what most hosts said; cut for display. */
  readonly differs?: string;
  /** The state it is about, by the catalogue's probe: before as people saw it, and after it ran. */
  readonly probe?: { readonly line: string; readonly before?: string; readonly after: string };
  /** The command of the catalogue that reverses it, with its values. */
  readonly undo?: { readonly command: string; readonly params: Readonly<Record<string, string>> };
  /** Why nobody was asked: the window that covered it. */
  readonly allowedBy?: string;
}

/** Hosts of a group on which a command was not run, for one reason. */
export interface NotRun {
  readonly command: string;
  readonly hosts: readonly string[];
  readonly reason: string;
}

/** The end in a person's words: "exit 0", "timed out, ended there". */
export function endText(end: CommandEnd): string {
  switch (end.kind) {
    case 'exited':
      return `exit ${end.code}`;
    case 'signalled':
      return `ended by ${end.signal}`;
    case 'timed-out':
      return end.ended ? 'time limit reached, ended there' : 'time limit reached, still running there';
    case 'cancelled':
      return end.ended ? 'stopped, ended there' : 'stopped here, still running there';
    case 'unreachable':
      return `not run: ${end.problem}`;
    case 'lost':
      return `outcome unknown: ${end.problem}`;
    default:
      return end satisfies never;
  }
}

/** Host names for a line of text: all of a few, else the first with the number of the others. */
export function hostNames(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names[0]} and ${names.length - 1} more`;
}

/** Where it ended like this, for a line of text: "web-1 and 36 more". */
export function hostsOf({ host, sameOn = [] }: RanCommand): string {
  return hostNames([host, ...sameOn]);
}

export function succeeded(end: CommandEnd): boolean {
  return end.kind === 'exited' && end.code === 0;
}
