/**
 * What the bench measures and how it is told: each figure beside a named peer that was measured in the same rounds,
 * because absolute times drift from machine to machine and from minute to minute.
 */

export type Unit = 'ms' | 'MiB' | '%';

/** Medians over `rounds`; `peer` is absent where a value stands for itself. */
export interface Figure {
  readonly what: string;
  readonly unit: Unit;
  readonly ours: number;
  readonly peer?: { readonly what: string; readonly value: number };
  readonly rounds: number;
}

export type Outcome =
  | { readonly kind: 'measured'; readonly figures: readonly Figure[] }
  | { readonly kind: 'skipped'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string };

export interface PartResult {
  readonly part: string;
  readonly outcome: Outcome;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Nearest rank. NaN for no values: a figure nobody measured must not look like one. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export function ratioOf({ ours, peer }: Figure): number | undefined {
  return peer ? ours / peer.value : undefined;
}

/** For a terminal: one line a figure, the ratio last. */
export function table(results: readonly PartResult[]): string {
  const head = ['', 'opsagent', 'peer', 'is', 'ratio'];
  const rows = results.flatMap(({ part, outcome }) =>
    outcome.kind === 'measured'
      ? [[part], ...outcome.figures.map(rowOf)]
      : [[`${part}: ${outcome.kind}: ${outcome.why}`]],
  );
  const cells = [head, ...rows].filter((row) => row.length > 1);
  const widths = head.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  return [head, ...rows]
    .map((row) => (row.length === 1 ? (row[0] ?? '') : row.map((c, i) => pad(c, i, widths)).join('  ')))
    .map((line) => line.trimEnd())
    .join('\n');
}

/** For a program: the same, with ratios. */
export function json(results: readonly PartResult[], facts: object): string {
  const parts = results.map(({ part, outcome }) =>
    outcome.kind === 'measured'
      ? {
          part,
          figures: outcome.figures.map((f) => ({ ...f, ours: round(f.ours), ...ratioAndPeer(f) })),
        }
      : { part, [outcome.kind]: outcome.why },
  );
  return JSON.stringify({ ...facts, parts }, undefined, 2);
}

function ratioAndPeer(figure: Figure): object {
  const { peer } = figure;
  if (!peer) return {};
  return { peer: { ...peer, value: round(peer.value) }, ratio: round(ratioOf(figure) ?? Number.NaN) };
}

function rowOf(figure: Figure): string[] {
  const { what, unit, ours, peer } = figure;
  const ratio = ratioOf(figure);
  return [
    `  ${what}`,
    `${shown(ours)} ${unit}`,
    peer?.what ?? '',
    peer ? `${shown(peer.value)} ${unit}` : '',
    ratio === undefined ? '' : ratio.toFixed(2),
  ];
}

function pad(cell: string, column: number, widths: readonly number[]): string {
  const width = widths[column] ?? 0;
  return column === 0 || column === 2 ? cell.padEnd(width) : cell.padStart(width);
}

function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
