import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { approvalIdFor, callIdFor, runIdFor } from '../../src/core/ids.ts';
import { createSealer, openSealKey, type SealedState } from '../../src/whitelist/seal.ts';
import { thread } from '../fakes/requests.ts';

const runId = runIdFor('console', 'e');
const callId = callIdFor(runId, 0);
const state: SealedState = {
  version: 2,
  approvalId: approvalIdFor(callId),
  callId,
  runId,
  digest: 'd'.repeat(64),
  bound: { command: 'reboot', values: {} },
  rule: 'changes',
  requesters: ['console:owner'],
  conversation: thread,
  askedAt: 1,
  expiresAt: 2,
};

describe('a seal', () => {
  const key = randomBytes(32);
  const sealer = createSealer(key);
  const sealed = sealer.seal(state);

  it('opens to what was sealed, and shows nothing of it', () => {
    expect(sealer.open(sealed)).toEqual(state);
    expect(Buffer.from(sealed.slice(3), 'base64url').toString('latin1')).not.toContain('reboot');
  });

  it('of another key does not open', () => {
    expect(createSealer(randomBytes(32)).open(sealed)).toBeUndefined();
  });

  it('does not open with any byte changed, cut or added', () => {
    const bytes = Buffer.from(sealed.slice(3), 'base64url');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (i, x) => {
        const other = Buffer.from(bytes);
        other[i] = (other[i] ?? 0) ^ x;
        expect(sealer.open(`s1.${other.toString('base64url')}`)).toBeUndefined();
        expect(sealer.open(`s1.${bytes.subarray(0, i).toString('base64url')}`)).toBeUndefined();
      }),
    );
    expect(sealer.open(`${sealed}AAAA`)).toBeUndefined();
  });

  it('is undefined for anything else', () => {
    fc.assert(fc.property(fc.string(), (text) => sealer.open(text) === undefined));
  });
});

describe('the seal key', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'seal-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('is made once, for its owner alone, and found again', () => {
    const first = openSealKey(dir);

    expect(first).toHaveLength(32);
    expect(openSealKey(dir)).toEqual(first);
    expect(statSync(join(dir, 'keys', 'seal.key')).mode & 0o777).toBe(0o600);
  });

  it('that is damaged is refused, not replaced', () => {
    openSealKey(dir);
    writeFileSync(join(dir, 'keys', 'seal.key'), 'short');

    expect(() => openSealKey(dir)).toThrow(/not 32 bytes/);
  });
});
