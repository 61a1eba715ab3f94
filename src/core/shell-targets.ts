/**
 * Which files a command removes, cuts or writes, as far as its words tell, and which places the floor protects.
 */
import type { Command } from './shell-commands.ts';

export interface Target {
  /** Absolute where the folder is known; may hold marks for what is not in the text. */
  readonly path: string;
  readonly act: 'remove' | 'write' | 'append' | 'attributes';
  readonly recursive: boolean;
}

/** `folder`: where the script has gone with `cd`. `all`: what else runs, for a tool that reads its operands. */
export function targetsOf(
  command: Command,
  folder: string | undefined,
  all: readonly Command[],
): readonly Target[] {
  const { redirects, by } = command;
  const at = (path: string) => resolved(path, folder);
  const own = operandTargets(command, operandsOf(command, all)).map((t) => ({ ...t, path: at(t.path) }));
  const written = redirects
    .filter((r) => r.to === '>' || r.to === '>>')
    .map(
      (r): Target => ({
        path: at(r.target),
        act: r.to === '>' ? 'write' : 'append',
        recursive: false,
      }),
    );
  // What xargs reads cannot be known: a recursive removal of it may be one of anything.
  const unknown = own.length > 0 || !by.includes('xargs') ? [] : operandTargets(command, ['/']);
  return [...own, ...unknown.filter((t) => t.recursive), ...written];
}

/** The words that are no options; for a command run by `find` or `xargs`, also the places those look at. */
function operandsOf(command: Command, all: readonly Command[]): readonly string[] {
  const after = command.args.indexOf('--');
  const options = after < 0 ? command.args : command.args.slice(0, after);
  const own = [
    ...options.filter((a) => !a.startsWith('-')),
    ...(after < 0 ? [] : command.args.slice(after + 1)),
  ].filter((a) => a !== '{}');
  if (!command.by.includes('xargs') && !command.by.includes('find')) return own;
  const places = all
    .filter((c) => c !== command)
    .flatMap((c) => (c.name === 'find' ? foundIn(c) : absolute(c)));
  return [...own, ...places];
}

const absolute = (command: Command) => command.args.filter((a) => a.startsWith('/') || a.startsWith('~'));

function operandTargets({ name, args, by }: Command, operands: readonly string[]): Target[] {
  const has = (option: RegExp) => args.some((a) => option.test(a));
  const each = (act: Target['act'], paths = operands, recursive = false) =>
    paths.map((path): Target => ({ path, act, recursive }));
  switch (name) {
    case 'rm':
      // `find -exec rm` removes every file it finds: that is a recursive removal of where it looks.
      return each(
        'remove',
        operands,
        by.includes('find') || has(/^-[A-Za-z]*[rR]|^--r/) || has(/^--no-preserve/),
      );
    case 'unlink':
    case 'shred':
    case 'srm':
    case 'wipe':
      return each('remove', operands, by.includes('find'));
    case 'find':
      return has(/^-delete$/) ? each('remove', foundIn({ args }), true) : [];
    case 'mv':
      return [...each('remove', operands.slice(0, -1)), ...each('write', operands.slice(-1))];
    case 'cp':
    case 'install':
    case 'ln':
    case 'rsync':
    case 'scp': {
      const into = args.flatMap((a, i) =>
        a === '-t' ? (args[i + 1] ?? []) : a.startsWith('--target-directory=') ? a.slice(19) : [],
      );
      return each('write', [...operands.slice(-1), ...into]);
    }
    case 'truncate':
      return each('write');
    case 'tee':
      return each(has(/^-[a-z]*a|^--append/) ? 'append' : 'write');
    case 'dd':
      return each(
        'write',
        args.flatMap((a) => (a.startsWith('of=') ? a.slice(3) : [])),
      );
    case 'sed':
    case 'perl':
      return has(/^-[a-zA-Z]*i|^--in-place/) ? each('write') : [];
    case 'chmod':
    case 'chown':
    case 'chgrp':
    case 'chattr':
    case 'setfacl':
    case 'touch':
    case 'mkdir':
      return each('attributes');
    default:
      return [];
  }
}

/** Where `find` begins, with the names it looks for, as paths that the rules know. */
function foundIn({ args }: Pick<Command, 'args'>): string[] {
  const start = args.findIndex((a) => !/^-[HLPDO]/.test(a));
  const end = args.findIndex((a, i) => i >= start && /^[-(!]/.test(a));
  const places = start < 0 || start === end ? ['.'] : args.slice(start, end < 0 ? undefined : end);
  const named = args.filter((_, i) => /^-i?(?:name|path|wholename)$/.test(args[i - 1] ?? ''));
  // A search that is narrowed removes what it finds, not the place itself.
  const narrowed =
    named.some((n) => /[^*?]/.test(n)) || args.some((a) => /^-(?:mtime|mmin|atime|newer)/.test(a));
  return [
    ...places.map((p) => (narrowed && p !== '/' ? `${p}/found` : p)),
    ...named.map((n) => `found/${n}`),
  ];
}

function resolved(path: string, folder: string | undefined): string {
  const whole = folder === undefined || /^[/~\u0002\0]/.test(path) ? path : `${folder}/${path}`;
  if (!whole.startsWith('/')) return whole;
  const segments: string[] = [];
  for (const segment of whole.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/')}`;
}

const systemFolders = /^\/(?:usr|var|home|boot|lib|private|System|Library)\/[^/]+$/;

/** `/`, a folder directly under it, one that the system or a person lives in, home, and patterns for such. */
export function isRoot(path: string): boolean {
  const plain = path.replace(/(?:\/+(?:\*|\.|\.\*|\.\?\*)?)+$/, '');
  if (!path.startsWith('/')) return /^(?:~[^/]*|\.{0,2}|\*|\.\*|\.\.(?:\/\.\.)*)$/.test(plain);
  if (plain === '' || /^\/[^/]+$/.test(plain)) return true;
  if (systemFolders.test(plain)) return true;
  return plain
    .split('/')
    .slice(1, 3)
    .some((segment) => /[*?[]|\{.*,/.test(segment));
}

/** A disk or what stands for one. */
export function isDevice(path: string): boolean {
  return /^\/dev\/(?!(?:null|zero|full|tty|stdout|stderr|stdin|log)$|fd\/|shm\/|pts\/)./.test(path);
}

/** The files that say who may log in, and as what. */
export function isIdentity(path: string): boolean {
  return (
    /^\/etc\/(?:passwd|shadow|group|gshadow|sudoers|subuid|subgid)(?:-|\.\w+)?$/.test(path) ||
    /^\/etc\/(?:sudoers\.d|ssh|pam\.d|security|polkit-1)(?:\/|$)/.test(path) ||
    /(?:^|\/)\.(?:ssh|gnupg)(?:\/|$)/.test(path) ||
    /(?:^|\/)authorized_keys2?$/.test(path)
  );
}

export function isHistory(path: string): boolean {
  return /(?:^|\/)(?:\.(?:\w+_)?history|fish_history|\.lesshst|\.viminfo|\.histfile|\.zhistory)$/.test(path);
}

/** Log files: those in the folders for them, and by their names anywhere. */
export function isLog(path: string): boolean {
  return (
    /^(?:\/private)?\/(?:var|run)\/(?:log|audit)(?:\/|$)/.test(path) ||
    /(?:^|\/)(?:[^/]*\.log(?:[.-][^/]*)?|[^/]*\.log\*|[uwb]tmp|lastlog|syslog|auth\.log)$/.test(path) ||
    path.endsWith('.journal')
  );
}
