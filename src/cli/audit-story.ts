/**
 * One audit line as a sentence, for the story of a run. What a line does not hold is left out, never made up.
 */
import type { AuditEntry } from '../backends/audit-line.ts';
import { hostsOf } from '../backends/audit-read.ts';
import type { Json } from '../core/json.ts';
import { shownWhole } from './audit-options.ts';

/** One line; what could not be seen in a terminal is escaped. */
export function sentenceOf(entry: AuditEntry): string {
  return shownWhole(
    words(entry)
      .filter((w) => w !== '')
      .join(' '),
  );
}

function words(entry: AuditEntry): readonly string[] {
  const { kind, who = 'somebody' } = entry;
  const of = (name: string, before = '', after = '') => fact(entry, name, before, after);
  const on = before('on ', hostsOf(entry).join(', '));
  switch (kind) {
    case 'request.accepted':
      return [`${who} asked`, of('in', 'in '), of('command', 'for the command ')];
    case 'request.joined':
      return [`${who} joined in with words of their own`];
    case 'request.refused':
      return [`${who} was refused:`, of('what'), of('why'), of('in', 'in ')];
    case 'model.called':
      return ['the model was asked', of('model'), of('request', 'request ')];
    case 'command.rendered':
      return ['rendered:', of('line'), on, of('digest', 'digest ')];
    case 'call.refused':
      return ['refused to run', of('command'), of('tool'), on, of('reason', '— ')];
    case 'approval.asked':
      return asked(entry, on);
    case 'approval.posted':
      return ['the card was posted', of('in', 'in '), of('message', 'as '), of('digest', 'digest ')];
    case 'approval.voted':
      return [
        `${who} clicked`,
        of('verdict'),
        of('windowMinutes', 'and for ', ' minutes more'),
        of('digest', 'on digest '),
        of('reason', 'saying: '),
      ];
    case 'approval.refused':
      return [`a click of ${who} was refused:`, of('verdict', '', ','), of('why'), of('reason')];
    case 'approval.expired':
      return ['nobody decided in time; the approval expired'];
    case 'window.granted':
    case 'window.used':
    case 'window.revoked':
      return [`window ${kind.slice(7)}`, `by ${who}`, of('until', 'until '), of('ended', 'ended: ')];
    case 'command.started':
      return started(entry, on);
    case 'command.ended':
      return [
        'ended',
        of('probe', 'the probe '),
        on,
        of('outcome', '— '),
        of('problem', '— '),
        of('ms', 'after ', ' ms,'),
        of('bytes', '', ' bytes of output,'),
        of('sha256', 'sha256 '),
      ];
    case 'run.stopped':
      return [`${who} said stop`];
    case 'run.ended':
      return ['the run ended:', of('how')];
    default:
      return [kind, before('by ', entry.who ?? ''), JSON.stringify(entry.data ?? {})];
  }
}

function asked(entry: AuditEntry, on: string): readonly string[] {
  const of = (name: string, before = '', after = '') => fact(entry, name, before, after);
  const targets = Array.isArray(entry.data?.targets) ? entry.data.targets : [];
  const where = targets.map((t: Json) => (isObject(t) ? targetText(t) : '')).filter((t) => t !== '');
  return [
    'approval asked for:',
    of('line'),
    where.length > 0 ? `on ${where.join(', ')}` : on,
    of('risk', '(', ')'),
    of('rule', 'by rule '),
    of('digest', 'card digest '),
    of('expiresAt', 'open until '),
  ];
}

function started(entry: AuditEntry, on: string): readonly string[] {
  const of = (name: string, before = '', after = '') => fact(entry, name, before, after);
  return [
    'started',
    of('probe', 'the probe '),
    of('line', '', ''),
    on,
    of('args', 'with '),
    before('at ', isObject(entry.data) ? targetText(entry.data) : ''),
    of('rule', 'allowed by rule '),
    of('approvers', 'approved by '),
    of('approved', 'for card digest '),
    of('window', 'within window '),
    of('digest', 'digest '),
  ];
}

/** `ops@10.0.0.1:22 (key SHA256:…)`, as far as it is known. */
function targetText(of: { readonly [name: string]: Json }): string {
  const { login, address, port, hostKey, host } = of;
  if (typeof address !== 'string') return typeof host === 'string' ? host : '';
  const name = typeof host === 'string' && !('line' in of) ? `${host} = ` : '';
  return `${name}${login ?? ''}@${address}${port === undefined ? '' : `:${port}`}${hostKey ? ` (key ${hostKey})` : ''}`;
}

function fact({ data }: AuditEntry, name: string, ahead: string, after: string): string {
  const value = data?.[name];
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return '';
  const isTime = name === 'expiresAt' || name === 'until';
  const text =
    isTime && typeof value === 'number' && Math.abs(value) < 8.64e15
      ? new Date(value).toISOString()
      : typeof value === 'string' || typeof value === 'number'
        ? `${value}`
        : JSON.stringify(value);
  return `${ahead}${text}${after}`;
}

function before(ahead: string, text: string): string {
  return text === '' ? '' : `${ahead}${text}`;
}

function isObject(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
