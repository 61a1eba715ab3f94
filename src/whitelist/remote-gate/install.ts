/**
 * `opsagent gate install`: what an administrator runs as root on a host so that the bot's key opens the gate and
 * nothing else. Printed, never run from here: the bot's own key could not do it, and must not.
 */
import ssh2, { type ParsedKey } from 'ssh2';
import type { Host } from '../../core/command.ts';
import { quoted } from './quoted.ts';
import type { Gate } from './script.ts';
import { sudoersLines } from './sudoers.ts';

export interface InstallInput {
  readonly host: Host;
  readonly gate: Gate;
  /** `type base64`, as `publicKeyOf` gives it. */
  readonly publicKey: string;
  /** Addresses from which the key is taken, as sshd's `from=` lists them. */
  readonly from: string;
  readonly gateFile: string;
}

/** The addresses that Tailscale gives to nodes. */
export const TAILNET_RANGES = '100.64.0.0/10,fd7a:115c:a1e0::/48';

/** The line of authorized_keys: `restrict` takes forwarding, pty, agent and ~/.ssh/rc away. */
function authorizedKey({ from, gateFile, publicKey }: InstallInput): string {
  return `restrict,command="${gateFile}",from="${from}" ${publicKey} opsagent`;
}

/**
 * The public half of a key file, private or public, as authorized_keys has it; a sentence when it cannot be had. The
 * file is opened with the passphrase where it has one.
 */
export function publicKeyOf(
  bytes: Buffer,
  passphrase: string | undefined,
): { readonly ok: true; readonly publicKey: string } | { readonly ok: false; readonly problem: string } {
  const parsed: ParsedKey | ParsedKey[] | Error = ssh2.utils.parseKey(bytes, passphrase);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined || key instanceof Error)
    return { ok: false, problem: 'is not a key, or is encrypted with another passphrase' };
  return { ok: true, publicKey: `${key.type} ${key.getPublicSSH().toString('base64')}` };
}

/** A POSIX sh script with its steps as comments. Run again it changes nothing but what is out of date. */
export function installScript(input: InstallInput): string {
  const { host, gate, gateFile, publicKey } = input;
  const { user } = host;
  const folder = gateFile.slice(0, gateFile.lastIndexOf('/'));
  const blob = publicKey.split(' ')[1] ?? '';
  return `#!/bin/sh
# Installs the opsagent gate for ${user} on ${host.name} (${host.address}). Read it, then run it there as root, with your
# own login and never with the bot's key:
#   opsagent gate install ${host.name} | ssh YOU@${host.address} sudo sh
set -eu
umask 022
[ "$(id -u)" = 0 ] || { echo 'run this as root' >&2; exit 1; }

# 1. A login of its own, unless there is one: no password, a shell that reads no start-up file for a command, and a home
#    that belongs to root, so that no command can leave anything there that the next login would read.
if ! getent passwd ${user} >/dev/null; then
  mkdir -p /var/lib/opsagent-gate/${user}/.ssh
  useradd --system --no-create-home --home-dir /var/lib/opsagent-gate/${user} --shell /bin/sh --password '*' ${user}
fi
[ "$(id -u ${user})" != 0 ] || { echo '${user} is root: the gate is for a login without rights' >&2; exit 1; }
home=$(getent passwd ${user} | cut -d: -f6)

# 2. The gate itself, in place at once, and only root may change it.
mkdir -p ${folder}
temporary=$(mktemp ${gateFile}.XXXXXX)
cat >"$temporary" <<'OPSAGENT_GATE_ENDS'
${gate.script}OPSAGENT_GATE_ENDS
chown 0:0 "$temporary"
chmod 0755 "$temporary"
sh -n "$temporary"
mv -f "$temporary" ${gateFile}

${sudoStep(input)}
# 4. The bot's key opens the gate and nothing else. Every other line with this key goes: sshd takes the first it finds.
mkdir -p "$home/.ssh"
keys=$home/.ssh/authorized_keys
temporary=$(mktemp "$home/.ssh/keys.XXXXXX")
{ grep -vF ${quoted(blob)} "$keys" 2>/dev/null || true; } >"$temporary"
printf '%s\\n' ${quoted(authorizedKey(input))} >>"$temporary"
chmod 0644 "$temporary"
[ ! -e "$keys" ] || chown --reference="$keys" "$temporary"
mv -f "$temporary" "$keys"

# 5. What sshd lets a client set in the environment reaches the login shell before the gate: bash would run a BASH_ENV.
if command -v sshd >/dev/null 2>&1; then
  sshd -T -C user=${user},host=localhost,addr=127.0.0.1 2>/dev/null |
    grep -Ei '^(acceptenv (lang|lc_[a-z_*]+|colorterm|no_color)$|permituserenvironment no$)' -v |
    grep -Ei '^(acceptenv|permituserenvironment) ' |
    sed 's/^/WARNING: take this out of sshd_config: /' >&2 || true
fi
echo ${quoted(`The gate of ${host.name} is installed. In config/hosts.yaml, set under ${host.name}: gate: true`)}
`;
}

function sudoStep({ host, gate, gateFile }: InstallInput): string {
  const file = `/etc/sudoers.d/opsagent-gate-${host.user.replaceAll('.', '_')}`;
  const lines = sudoersLines(host.user, gateFile, gate.asRoot);
  if (lines === '')
    return `# 3. No command of this host is marked sudo: nothing may run as root.\nrm -f ${file}\n`;
  return `# 3. Exactly these may run as root. sudo reads no file with a "." in its name, so that it is checked before it counts.
temporary=$(mktemp ${file}.XXXXXX)
cat >"$temporary" <<'OPSAGENT_SUDOERS_ENDS'
${lines}OPSAGENT_SUDOERS_ENDS
chmod 0440 "$temporary"
visudo -cqf "$temporary" || { rm -f "$temporary"; exit 1; }
mv -f "$temporary" ${file}
`;
}
