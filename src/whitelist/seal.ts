/**
 * Sealed state: what the server asked people, handed to the worker to keep and given back with their votes.
 * AES-256-GCM under a key that never leaves the data directory; a forged or foreign seal opens to nothing.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApprovalRequest, HostState } from '../core/approval.ts';
import type { Conversation } from '../core/conversation.ts';
import { OpsError } from '../core/errors.ts';
import type { ApprovalId, CallId, RunId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';

export interface SealedState {
  readonly version: 2;
  readonly approvalId: ApprovalId;
  readonly callId: CallId;
  readonly runId: RunId;
  readonly digest: string;
  /** See binding.ts. */
  readonly bound: JsonObject;
  readonly rule: string;
  /** Accounts that asked, sorted. */
  readonly requesters: readonly string[];
  readonly conversation: Conversation;
  readonly askedAt: number;
  readonly expiresAt: number;
  /** The state of the hosts that the card shows. */
  readonly before?: readonly HostState[];
}

export interface Sealer {
  seal(state: SealedState): string;
  /** Undefined for anything this key did not seal, whatever is wrong with it. */
  open(sealed: string): SealedState | undefined;
}

const label = Buffer.from('opsagent sealed approval 1');
const form = /^s1\.[A-Za-z0-9_-]+$/;
const shortestSealed = 43;
/** A group of some hundred hosts, with their keys and routes; what is longer is not asked at all. */
const longestSealed = 180_000;
/** The whole question as the run keeps it, in bytes: the run stays below 256 KiB. */
const mostRequestBytes = 224 * 1024;
/** A stored run has no more hosts on one card. */
const mostTargets = 500;

/** Why this question cannot be put: it could not be kept, or not be opened again when people have answered. */
export function tooLarge({ sealed, ...request }: ApprovalRequest): string | undefined {
  const { targets } = request.subject;
  const bytes = sealed.length + Buffer.byteLength(JSON.stringify(request));
  if (sealed.length <= longestSealed && bytes <= mostRequestBytes && targets.length <= mostTargets)
    return undefined;
  const why =
    targets.length > 1 ? `too many hosts for one approval: ${targets.length}` : 'too long for one approval';
  return `${why} (it would be ${Math.ceil(bytes / 1024)} KiB, and ${mostRequestBytes / 1024} KiB can be kept). Nobody was asked and nothing has run; ask for fewer at a time.`;
}

export function createSealer(key: Uint8Array): Sealer {
  return {
    seal(state) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(label);
      const body = Buffer.concat([cipher.update(JSON.stringify(state), 'utf8'), cipher.final()]);
      return `s1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
    },
    open(sealed) {
      if (sealed.length < shortestSealed || sealed.length > longestSealed || !form.test(sealed))
        return undefined;
      const bytes = Buffer.from(sealed.slice(3), 'base64url');
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 });
        decipher.setAAD(label).setAuthTag(bytes.subarray(12, 28));
        const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
        const state = JSON.parse(text) as SealedState;
        return state.version === 2 ? state : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** The seal key of this data directory, 32 bytes, made on first start. Throws OpsError when it is unusable. */
export function openSealKey(dataDir: string): Uint8Array {
  const keys = join(dataDir, 'keys');
  const file = join(keys, 'seal.key');
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  const known = readKey(file);
  if (known) return known;
  // Written aside and linked, so that two first starts at once agree on one whole key.
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
  const made = readKey(file);
  if (!made) throw new OpsError('config-invalid', `The seal key ${file} could not be made.`);
  return made;
}

function readKey(file: string): Uint8Array | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OpsError('config-invalid', `The seal key ${file} cannot be read.`, 'Check who owns it.');
  }
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length === 32) return key;
  throw new OpsError(
    'config-invalid',
    `The seal key ${file} is not 32 bytes of base64.`,
    'Delete it to have a new one made; approvals that wait are then void.',
  );
}
