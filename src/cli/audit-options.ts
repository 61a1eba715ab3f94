/**
 * What the audit commands have in common: where the log is, which lines are wanted, and the anchors to hold it against.
 */
import { join } from 'node:path';
import type { AuditFilter } from '../backends/audit-read.ts';
import { loadPlace } from '../config/place.ts';
import { readEnvironment } from '../config.ts';
import { OpsError } from '../core/errors.ts';
import { visible } from '../core/visible.ts';

export interface FilterOptions {
  readonly since?: string;
  readonly until?: string;
  readonly run?: string;
  readonly who?: string;
  readonly kind?: string;
  readonly host?: string;
}

export interface AuditPlace {
  readonly dir: string;
  /** The file of anchors that is configured, when one is. */
  readonly anchorFile?: string;
}

export function auditPlace(): AuditPlace {
  const { dataDir, anchor } = loadPlace(readEnvironment(), process.cwd());
  const file = anchor.places.find((place) => place.kind === 'file');
  return { dir: join(dataDir, 'audit'), ...(file ? { anchorFile: file.path } : {}) };
}

/** Throws OpsError `config-invalid` for a time that is none. */
export function filterFrom({ since, until, run, who, kind, host }: FilterOptions, now: number): AuditFilter {
  return {
    ...(since === undefined ? {} : { since: timeFrom('--since', since, now) }),
    ...(until === undefined ? {} : { until: timeFrom('--until', until, now) }),
    ...(run === undefined ? {} : { runId: run }),
    ...(who === undefined ? {} : { who }),
    ...(kind === undefined ? {} : { kind }),
    ...(host === undefined ? {} : { host }),
  };
}

const unitMs = { s: 1000, m: 60_000, h: 3600_000, d: 24 * 3600_000 };

/** `2026-01-31`, `2026-01-31T12:00`, or so long ago: `30m`, `12h`, `7d`. UTC where no zone is given. */
function timeFrom(option: string, text: string, now: number): string {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const day = /^\d{4}-\d{2}-\d{2}/.test(text);
  const hasZone = !text.includes('T') || /(?:Z|[+-]\d{2}:?\d{2})$/.test(text);
  const at = unit
    ? now - Number(number) * unitMs[unit as keyof typeof unitMs]
    : Date.parse(hasZone ? text : `${text}Z`);
  if ((unit === undefined && !day) || Number.isNaN(at))
    throw new OpsError(
      'config-invalid',
      `${option} ${text} is no time.`,
      'Write a day (2026-01-31), a time (2026-01-31T12:00Z) or how long ago (30m, 12h, 7d).',
    );
  return new Date(at).toISOString();
}

/** One line in which nothing is hidden and nothing left out: also what only draws is shown, as evidence. */
export function shownWhole(text: string): string {
  const inert = text.replace(/[\x1b\x80-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
  return visible(inert, { keepNewlines: false });
}

/** Waits for a reader that is slower than we are, so that a long log is never in memory. */
export async function print(text: string): Promise<void> {
  if (process.stdout.write(text)) return;
  await new Promise((resolve) => process.stdout.once('drain', resolve));
}
