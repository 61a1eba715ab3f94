/**
 * `opsagent gate print` and `install`: the forced command of a host, and the script with which its administrator
 * installs it. Both only print; nothing is sent anywhere.
 */
import { readFileSync } from 'node:fs';
import { loadConfig, readEnvironment } from '../config.ts';
import type { Host } from '../core/command.ts';
import { OpsError } from '../core/errors.ts';
import { visible } from '../core/visible.ts';
import { installScript, publicKeyOf, TAILNET_RANGES } from '../whitelist/remote-gate/install.ts';
import { GATE_FILE, type Gate, gateScript } from '../whitelist/remote-gate/script.ts';

export interface GateOptions {
  /** Where the gate is on the host. */
  readonly path?: string;
}

export interface InstallOptions extends GateOptions {
  /** Addresses from which the key is taken. */
  readonly from?: string;
  /** A file with the bot's public key, where the host's own key file does not tell it. */
  readonly publicKey?: string;
}

export function printGate(name: string, options: GateOptions): void {
  const { host, gate } = gateOf(name, options);
  process.stdout.write(gate.script);
  tellLeftOut(host, gate);
}

export function printInstall(name: string, options: InstallOptions): void {
  const from = options.from ?? TAILNET_RANGES;
  if (!/^[A-Za-z0-9.:/,*?!_-]+$/.test(from))
    throw new OpsError(
      'config-invalid',
      '--from is not a list of addresses.',
      'Write ranges such as 192.168.1.0/24, with "," between them.',
    );
  const { host, gate, gateFile } = gateOf(name, options);
  const publicKey = keyOf(host, options.publicKey);
  process.stdout.write(installScript({ host, gate, publicKey, from, gateFile }));
  tellLeftOut(host, gate);
}

function gateOf(
  name: string,
  options: GateOptions,
): { readonly host: Host; readonly gate: Gate; readonly gateFile: string } {
  const gateFile = options.path ?? GATE_FILE;
  if (!/^(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*){2,}$/.test(gateFile))
    throw new OpsError('config-invalid', '--path is not the full path of a file in a folder of its own.');
  const { catalogue, hosts } = loadConfig('whitelist', readEnvironment(), process.cwd());
  const host = hosts.find((h) => h.name === name);
  if (host === undefined)
    throw new OpsError(
      'config-invalid',
      `There is no host ${visible(name)} in the inventory.`,
      `There are: ${hosts.map((h) => h.name).join(', ') || 'none'}.`,
    );
  return { host, gate: gateScript(catalogue, host, gateFile), gateFile };
}

function keyOf(host: Host, file: string | undefined): string {
  const keyFile = file ?? host.keyFile;
  if (keyFile === undefined)
    throw new OpsError(
      'config-invalid',
      `${host.name} has no key file in the inventory (its key is in the SSH agent).`,
      'Name a file with its public key: --public-key FILE.',
    );
  let bytes: Buffer;
  try {
    bytes = readFileSync(keyFile);
  } catch {
    throw new OpsError('config-invalid', `The key ${keyFile} cannot be read.`, 'Use --public-key FILE.');
  }
  const found = publicKeyOf(bytes, file === undefined ? host.passphrase : undefined);
  if (!found.ok) throw new OpsError('config-invalid', `The key ${keyFile} ${found.problem}.`);
  return found.publicKey;
}

/** On stderr, so that stdout is the script alone. */
function tellLeftOut(host: Host, { left }: Gate): void {
  for (const { name, reason } of left)
    process.stderr.write(`opsagent: ${name} is not in the gate of ${host.name}: ${reason}\n`);
}
