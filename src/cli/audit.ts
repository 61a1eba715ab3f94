/**
 * `opsagent audit show` and `export`: reads the log in the data directory, whether or not an instance runs.
 */
import type { AuditEntry } from '../backends/audit-line.ts';
import { type AuditLine, auditLines, hostsOf } from '../backends/audit-read.ts';
import { OpsError } from '../core/errors.ts';
import { visible } from '../core/visible.ts';
import { auditPlace, type FilterOptions, filterFrom, print, shownWhole } from './audit-options.ts';

const widths = [24, 13, 17, 20, 21, 12];
const mostChars = 240;

/** The newest lines that match, oldest first. */
export async function show(
  options: FilterOptions & { readonly last: string; readonly json?: boolean },
): Promise<void> {
  const last = Number(options.last);
  if (!/^\d{1,9}$/.test(options.last) || last < 1)
    throw new OpsError('config-invalid', `--last wants a number from 1, not ${visible(options.last)}.`);
  const newest: AuditLine[] = [];
  let found = 0;
  for (const line of auditLines(auditPlace().dir, filterFrom(options, Date.now()))) {
    newest[found % last] = line;
    found += 1;
  }
  const left = found - newest.length;
  if (!options.json) await print(`${inColumns(['TIME', 'WRITER', 'KIND', 'WHO', 'RUN', 'HOST', 'WHAT'])}\n`);
  for (let i = left; i < found; i++) {
    const line = newest[i % last];
    if (line) await print(options.json ? `${line.text}\n` : `${rowOf(line.entry)}\n`);
  }
  if (left > 0) process.stderr.write(`${left} earlier lines are not shown; --last takes a higher number.\n`);
}

function rowOf(entry: AuditEntry): string {
  const { at, writer, seq, kind, who, runId, data = {} } = entry;
  const { host: _, ...facts } = data;
  const what = Object.entries(facts).map(([k, v]) => `${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`);
  const cells = [at, `${writer}#${seq}`, kind, who ?? '-', runId ?? '-', hostsOf(entry).join(',') || '-'];
  const text = what.join(' ');
  return inColumns([...cells, text.length > mostChars ? `${text.slice(0, mostChars)}…` : text]);
}

/** What would not be seen in a terminal is shown escaped; no cell breaks its line. */
function inColumns(cells: readonly string[]): string {
  return cells
    .map((cell, i) => shownWhole(cell).padEnd(widths[i] ?? 0))
    .join('  ')
    .trimEnd();
}

const columns = [
  'at',
  'writer',
  'seq',
  'kind',
  'who',
  'run',
  'call',
  'host',
  'data',
  'prev',
  'hash',
] as const;

/** All lines that match: as they are in the log (`jsonl`), or as RFC 4180 for a spreadsheet (`csv`). */
export async function exportAudit(options: FilterOptions & { readonly format: string }): Promise<void> {
  const { format } = options;
  if (format !== 'jsonl' && format !== 'csv')
    throw new OpsError(
      'config-invalid',
      `--format ${visible(format)} is not to be had.`,
      'Use jsonl or csv.',
    );
  const filter = filterFrom(options, Date.now());
  if (format === 'csv') await print(`${columns.join(',')}\r\n`);
  for (const { entry, text } of auditLines(auditPlace().dir, filter))
    await print(format === 'jsonl' ? `${text}\n` : `${csvRow(entry)}\r\n`);
}

function csvRow(entry: AuditEntry): string {
  const { at, writer, seq, kind, who = '', runId = '', callId = '', data, prev, hash } = entry;
  const host = hostsOf(entry).join(' ');
  const cells = [
    at,
    writer,
    `${seq}`,
    kind,
    who,
    runId,
    callId,
    host,
    data ? JSON.stringify(data) : '',
    prev,
    hash,
  ];
  return cells.map((cell) => csvCell(shownWhole(cell))).join(',');
}

/** Spreadsheets take a cell that begins with one of these (or its full-width form) for a formula, quoted or not. */
const formula = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

function csvCell(text: string): string {
  const harmless = formula.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
