/**
 * The bot's signing key: made at first start, kept in the data directory, so that a restart voids no approval.
 */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DecisionKey {
  readonly privatePem: string;
  readonly publicFile: string;
}

/** Reads `keys/decision.key` (0600), making it and `keys/decision.pub` when missing. */
export function loadDecisionKey(dataDir: string): DecisionKey {
  const dir = join(dataDir, 'keys');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const privateFile = join(dir, 'decision.key');
  const publicFile = decisionPublicFile(dataDir);
  if (!existsSync(privateFile) || !existsSync(publicFile)) {
    const pair = generateKeyPairSync('ed25519');
    writeWhole(publicFile, pair.publicKey.export({ type: 'spki', format: 'pem' }).toString());
    writeWhole(privateFile, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  }
  return { privatePem: readFileSync(privateFile, 'utf8'), publicFile };
}

/** Where the whitelist server finds the public half. */
function decisionPublicFile(dataDir: string): string {
  return join(dataDir, 'keys', 'decision.pub');
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
