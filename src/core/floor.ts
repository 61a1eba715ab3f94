/**
 * The floor: what never runs, whoever asks or approves. Judged on the template at load and again with its values
 * before a run; whatever cannot be known there (a name or a target only the shell knows) counts as the worst.
 */
import type { Param } from './param.ts';
import { interpreters } from './placeholder-place.ts';
import { type Command, commandsIn, commandsOf, isFixed } from './shell-commands.ts';
import { EXPANSION, PLACEHOLDER } from './shell-reader.ts';
import { isDevice, isHistory, isIdentity, isLog, isRoot, targetsOf } from './shell-targets.ts';
import type { Template } from './template.ts';

export interface Broken {
  readonly rule:
    | 'removes-a-root'
    | 'writes-a-disk'
    | 'changes-users-or-keys'
    | 'free-code'
    | 'removes-logs'
    | 'clears-history'
    | 'stops-the-machine';
  readonly why: string;
}

/** The first rule of the floor that the template breaks with these values; without values, with any at all. */
export function floorOf(
  template: Template,
  params: readonly Param[] = [],
  values: Readonly<Record<string, string>> = {},
): Broken | undefined {
  return brokenBy(commandsOf(template, params, values), 0);
}

/** "writes-a-disk: mkfs writes a disk", as lint, refusals and the audit name it. */
export function floorText({ rule, why }: Broken): string {
  return `${rule}: ${why}`;
}

const MAX_DEPTH = 5;

function brokenBy(commands: readonly Command[], depth: number): Broken | undefined {
  let folder: string | undefined;
  for (const command of commands) {
    const broken =
      freeCode(command, depth) ??
      writesDisk(command) ??
      changesIdentity(command) ??
      clearsHistory(command) ??
      stopsMachine(command) ??
      badTarget(command, folder, commands);
    if (broken) return broken;
    if (command.name === 'cd') folder = command.args.find((a) => !a.startsWith('-')) ?? '~';
  }
  return undefined;
}

const shells = /^(?:[bdak]|da|z|ba|fi|tc|c|mk|pdk|r)?sh$|^fish$/;

/** Shells and interpreters whose code is not all in the template. */
function freeCode({ name, args, by, redirects, piped }: Command, depth: number): Broken | undefined {
  const free = (why: string): Broken => ({ rule: 'free-code', why });
  if (!isFixed(name)) return free('the name of a command is only known while it runs');
  if (depth > MAX_DEPTH) return free('shells within shells, too deep to be judged');
  const inner = (code: string) => brokenBy(commandsIn(code), depth + 1);

  if (name === 'eval')
    return args.every(isFixed) ? inner(args.join(' ')) : free('eval runs text put together');
  if (name === '.' || name === 'source')
    return isFixed(args[0] ?? '') ? undefined : free(`${name} runs a file that a value names`);
  if (name === 'ssh' || name === 'parallel')
    return args.every(isFixed) && !(name === 'parallel' && piped)
      ? undefined
      : free(`${name} runs text put together`);
  if (name === 'at' || name === 'batch' || (name === 'crontab' && !args.includes('-l')))
    return free(`${name} runs its input later`);
  if (/^[gmn]?awk$/.test(name) && args.some((a) => /\bsystem\s*\(|\|\s*getline|\|\s*"/.test(a)))
    return free(`${name} runs what it reads`);
  if (name === 'su' || name === 'runuser') {
    const at = args.findIndex((a) => a === '-c' || a === '--command');
    const code = at < 0 ? undefined : args[at + 1];
    return code !== undefined && isFixed(code) ? inner(code) : free(`${name} starts a shell`);
  }
  if (!interpreters.test(name)) return undefined;

  if (by.includes('xargs')) return free(`${name} is given what xargs reads`);
  const at = args.findIndex((a) =>
    (shells.test(name) ? /^-[A-Za-z]*c/ : /^-[A-Za-z]*[ceEr]|^--eval/).test(a),
  );
  if (at >= 0) {
    const code = args[at + 1] ?? '';
    if (!isFixed(code) || !isFixed(args[at] ?? '')) return free(`${name} runs text put together`);
    if (by.includes('find') && code.includes('{}')) return free(`${name} runs the name of a file as text`);
    return shells.test(name) ? inner(code) : undefined;
  }
  const script = args.find((a) => !a.startsWith('-') || a === '-');
  if (script === undefined || script === '-' || args.some((a) => /^-[a-z]*s/.test(a)))
    return piped || redirects.some((r) => r.to === '<' || r.to === '<<')
      ? free(`${name} runs its input`)
      : undefined;
  return isFixed(script) ? undefined : free(`${name} runs a file that a value names`);
}

/** Units that take the whole machine down or away from its users; a catalogue that means it says `systemctl reboot`. */
const powerUnits =
  /^(?:(?:reboot|soft-reboot|poweroff|halt|kexec|shutdown|final|umount|rescue|emergency|exit|suspend|hibernate|hybrid-sleep|suspend-then-hibernate|sleep|ctrl-alt-del|runlevel[016])\.target|systemd-(?:reboot|soft-reboot|poweroff|halt|kexec|suspend|hibernate|hybrid-sleep|exit)\.service)$/;
const unitVerbs =
  /^(?:start|restart|try-restart|reload-or-restart|try-reload-or-restart|isolate|enable|link|set-default)$/;

/** A unit's name is a value like any other, until it is that of a power-off. */
function stopsMachine({ name, args }: Command): Broken | undefined {
  if (name !== 'systemctl' || !args.some((a) => unitVerbs.test(a))) return undefined;
  const unit = args.find((a) => powerUnits.test(a));
  return unit === undefined ? undefined : { rule: 'stops-the-machine', why: `systemctl brings up ${unit}` };
}

const diskTools =
  /^(?:mkfs(?:\..+)?|mke2fs|mkswap|wipefs|fdisk|sfdisk|cfdisk|sgdisk|gdisk|parted|partprobe|blkdiscard|hdparm|sg_format|lvremove|vgremove|pvremove|lvreduce|mkdosfs|tune2fs|resize2fs|nvme|flashrom|efibootmgr|grub-install)$/;

function writesDisk({ name, args }: Command): Broken | undefined {
  const acts =
    diskTools.test(name) ||
    (name === 'badblocks' && args.some((a) => /^-[a-z]*[wn]/.test(a))) ||
    (name === 'cryptsetup' &&
      args.some((a) => /^(?:luksFormat|erase|luksErase|reencrypt|format)$/.test(a))) ||
    (name === 'mdadm' && args.some((a) => /^--(?:zero|create|stop|fail|remove)|^-[CSfr]/.test(a))) ||
    ((name === 'zpool' || name === 'zfs') &&
      args.some((a) => /^(?:destroy|create|labelclear|rollback)$/.test(a)));
  if (!acts || args.every((a) => /^(?:--version|--help|-V|-h)$/.test(a)) === args.length > 0)
    return undefined;
  if (/^(?:s|c|g)?fdisk$/.test(name) && args.some((a) => /^(?:-l|--list)$/.test(a))) return undefined;
  return { rule: 'writes-a-disk', why: `${name} changes a disk` };
}

const identityTools =
  /^(?:user(?:add|mod|del)|add(?:user|group)|del(?:user|group)|group(?:add|mod|del|mems)|g?passwd|ch(?:passwd|gpasswd|age|sh|fn)|newusers|vi(?:pw|gr|sudo)|pwconv|pwunconv|ssh-(?:keygen|copy-id|add)|update-ca-certificates|sudoedit|smbpasswd|pam-auth-update|authconfig|authselect)$/;
/** What these tools only show with. */
const showsIdentity: Readonly<Record<string, RegExp>> = {
  passwd: /^(?:-S|--status|-a|--all)$/,
  chage: /^(?:-l|--list)$/,
  'ssh-keygen': /^-[lF]+f?$/,
  'ssh-add': /^-[lL]$/,
  visudo: /^-[a-z]*c[a-z]*$|^--check$/,
};

function changesIdentity({ name, args }: Command): Broken | undefined {
  const why = `${name} changes users or keys`;
  if (name === 'usermod' || !identityTools.test(name))
    return name === 'usermod' ? { rule: 'changes-users-or-keys', why } : undefined;
  const shows = Object.hasOwn(showsIdentity, name) ? showsIdentity[name] : undefined;
  if (shows && args.some((a) => shows.test(a)) && !args.includes('-R')) return undefined;
  return { rule: 'changes-users-or-keys', why };
}

function clearsHistory({ name, args, assignments }: Command): Broken | undefined {
  const acts =
    (name === 'history' && args.some((a) => /^-[a-z]*[cdw]/.test(a))) ||
    (name === 'unset' && args.some((a) => /^HIST/.test(a))) ||
    (name === 'set' && args[0] === '+o' && args[1] === 'history') ||
    [...assignments, ...(name === 'export' ? args : [])].some((a) =>
      /^HIST(?:FILE|SIZE|FILESIZE|CONTROL)=/.test(a),
    );
  return acts ? { rule: 'clears-history', why: 'it clears or switches off a shell history' } : undefined;
}

/** What is removed, cut or written, judged by where it is. */
function badTarget(
  command: Command,
  folder: string | undefined,
  all: readonly Command[],
): Broken | undefined {
  const { name } = command;
  for (const { path, act, recursive } of targetsOf(command, folder, all)) {
    const removes = act === 'remove';
    if (recursive && removes && (isRoot(path) || path.includes(EXPANSION)))
      return {
        rule: 'removes-a-root',
        why: `${name} removes ${shown(path)} with all that is in it`,
      };
    if (isDevice(path) && (act === 'write' || act === 'append'))
      return { rule: 'writes-a-disk', why: `${name || 'a redirection'} writes ${shown(path)}` };
    if (isIdentity(path))
      return { rule: 'changes-users-or-keys', why: `${name || 'a redirection'} changes ${shown(path)}` };
    if (isHistory(path) && act !== 'append')
      return { rule: 'clears-history', why: `${name || 'a redirection'} clears ${shown(path)}` };
    if (isLog(path) && (removes || act === 'write'))
      return { rule: 'removes-logs', why: `${name || 'a redirection'} removes or cuts ${shown(path)}` };
  }
  return undefined;
}

function shown(path: string): string {
  return path.replaceAll(PLACEHOLDER, '…').replaceAll(EXPANSION, '$') || 'what the shell names';
}
