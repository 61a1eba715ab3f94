/**
 * Readers of well-known outputs: df, free, uptime, du, systemctl, ps. Each finds its lines by pattern and says
 * their figures as they stand there, or nothing when they are not there.
 */

/** The body of an output in a sentence or two; undefined when it is not what the reader knows. */
export type Reader = (body: string, host: string) => string | undefined;

/** By the name of the command, or of the tool where an output carries no name. */
export function readerFor(name: string): Reader | undefined {
  return readers.find(([pattern]) => pattern.test(name))?.[1];
}

const readers: readonly (readonly [RegExp, Reader])[] = [
  [/^(disk_usage_path|check_path_size)$/, readDu],
  [/^disk_inodes$/, (body, host) => readDf(body, host, 'inodes')],
  [/^(disk_usage|check_disk)$/, (body, host) => readDf(body, host, 'space')],
  [/^(memory_usage|memory_detailed|check_memory)$/, readFree],
  [/^(uptime|server_status)$/, readUptime],
  [
    /^hostname$/,
    (body) => (/^\S+$/.test(body.trim()) ? `The machine calls itself \`${body.trim()}\`.` : undefined),
  ],
  [/^(service_status|check_service)$/, readService],
  [/^failed_services$/, readFailed],
  [/^logged_in_users$/, (body, host) => (body === '' ? `Nobody is logged in${at(host)}.` : undefined)],
  [/^top_memory_processes$/, (body, host) => readPs(body, host, '%MEM')],
  [/^top_processes$/, (body, host) => readPs(body, host, '%CPU')],
];

const pseudo = /^(tmpfs|devtmpfs|udev|none|efivarfs|shm|cgroup\S*)$|^\/dev\/loop/;

/** `df`, with or without a column for the type. */
function readDf(body: string, host: string, what: 'space' | 'inodes'): string | undefined {
  const row = /^(\S+)\s+(?:[a-z][\w.]*\s+)?(\S+)\s+(\S+)\s+(\S+)\s+(\d+)%\s+(\/\S*)/;
  const all = body.split('\n').flatMap((line) => {
    const [, device = '', size = '', used = '', free = '', percent = '', mount = ''] = row.exec(line) ?? [];
    return mount === '' || pseudo.test(device) ? [] : [{ size, used, free, percent: Number(percent), mount }];
  });
  const fullest = all.reduce((a, b) => (b.percent > a.percent ? b : a), all[0] ?? undefinedRow);
  const root = all.find((fs) => fs.mount === '/') ?? fullest;
  if (root.mount === '') return undefined;
  const of = what === 'space' ? '' : ' of its inodes';
  const first = `The file system \`${root.mount}\`${at(host)} is ${root.percent}% full${of}: ${root.used} of ${root.size} used, ${root.free} free.`;
  if (fullest.mount !== root.mount)
    return `${first} The fullest is \`${fullest.mount}\` with ${fullest.percent}% (${fullest.free} free).`;
  return all.length > 2 ? `${first} None of the ${all.length - 1} others is fuller.` : first;
}

const undefinedRow = { size: '', used: '', free: '', percent: 0, mount: '' };

function readFree(body: string, host: string): string | undefined {
  const mem = /^Mem:\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+(\S+)\s+(\S+)\s+(\S+))?/m.exec(body);
  if (!mem) return undefined;
  const [, total, used, free, , , available] = mem;
  const left = available ? `${available} available` : `${free} free`;
  const swap = /^Swap:\s+(\S+)\s+(\S+)/m.exec(body);
  const noSwap = swap && /^0[A-Za-z]*$/.test(swap[1] ?? '');
  const swapText = !swap ? '' : noSwap ? ' There is no swap.' : ` Of ${swap[1]} swap, ${swap[2]} is used.`;
  return `Memory${at(host)}: ${used} of ${total} used, ${left}.${swapText}`;
}

function readUptime(body: string, host: string): string | undefined {
  const up = /\bup\s+(.+?)(?:,\s*\d+\s+users?\b|,\s*load|\s*$)/m.exec(body)?.[1]?.replace(/\s+/g, ' ');
  const load = /load averages?:\s*([\d.]+),?\s+([\d.]+),?\s+([\d.]+)/.exec(body);
  if (!up && !load) return undefined;
  const loadText = load
    ? `the load averages over 1, 5 and 15 minutes are ${load.slice(1, 4).join(', ')}`
    : '';
  const name = host || 'The machine';
  return up ? `${name} has been up for ${up}${loadText && `; ${loadText}`}.` : `On ${name} ${loadText}.`;
}

/** `du`: one line a path; the last is the whole. */
function readDu(body: string, host: string): string | undefined {
  const lines = [...body.matchAll(/^([\d.,]+\s?[KMGTPE]?i?B?)\s+(\/.*)$/gm)];
  const whole = lines.at(-1);
  if (!whole) return undefined;
  const hidden = /Permission denied/.test(body) ? ' Parts of it could not be read, so it is more.' : '';
  return `\`${whole[2]?.trim()}\`${at(host)} takes ${whole[1]}.${hidden}`;
}

function readService(body: string, host: string): string | undefined {
  const unit = /^\W*([\w@.:-]+?)\.service\b/m.exec(body)?.[1];
  const name = unit ? `The service \`${unit}\`` : 'The service';
  const active = /^\s*Active:\s+(\w+)(?:\s+\(([^)]+)\))?(?:[^;\n]*since\s+([^;\n]+))?(?:;\s*([^\n]+))?/m.exec(
    body,
  );
  if (active) {
    const [, state, detail, since, ago] = active;
    const when = since ? ` since ${since.trim()}${ago ? ` (${ago.trim()})` : ''}` : '';
    return `${name}${at(host)} is ${state}${detail ? ` (${detail})` : ''}${when}.`;
  }
  const state = /^(active|inactive|failed|activating|deactivating|unknown)$/m.exec(body)?.[1];
  return state ? `${name}${at(host)} is ${state}.` : undefined;
}

function readFailed(body: string, host: string): string | undefined {
  const units = [...body.matchAll(/^\W*([\w@.:\\-]+\.\w+)\s+\S+\s+failed\b/gm)].map((m) => `\`${m[1]}\``);
  if (units.length > 0) return `Failed units${at(host)}: ${units.join(', ')}.`;
  return /^0 loaded units|^\s*$/.test(body) ? `No unit has failed${at(host)}.` : undefined;
}

/** `ps` with a header: the first rows by the named column. */
function readPs(body: string, host: string, column: '%CPU' | '%MEM'): string | undefined {
  const lines = body.split('\n').filter((line) => line.trim() !== '');
  const header = lines.findIndex((line) => line.includes(column) && /\bPID\b/.test(line));
  const names = lines[header]?.trim().split(/\s+/) ?? [];
  const value = names.indexOf(column);
  const command = names.findIndex((n) => /^(COMMAND|CMD|COMM|ARGS)$/.test(n));
  if (value === -1 || command === -1) return undefined;
  const rows = lines.slice(header + 1).flatMap((line) => {
    const cells = line.trim().split(/\s+/);
    const program = cells[command]?.replace(/:$/, '').split('/').pop();
    return program && /^[\d.]+$/.test(cells[value] ?? '') ? [`\`${program}\` (${cells[value]}%)`] : [];
  });
  if (rows.length === 0) return undefined;
  const what = column === '%MEM' ? 'memory' : 'processor time';
  return `Most ${what}${at(host)}: ${rows.slice(0, 5).join(', ')}.`;
}

function at(host: string): string {
  return host ? ` on ${host}` : '';
}
