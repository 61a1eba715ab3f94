/**
 * `opsagent approvals list | show | approve | deny`: the open approvals of the running instance, decided as the person
 * whose token it is. Whoever approves is shown all that the card shows first, and decides on exactly that.
 */
import { createInterface } from 'node:readline/promises';
import { approvalRow, approvalText } from '../core/approval-text.ts';
import { OpsError } from '../core/errors.ts';
import type { ListedApproval } from '../core/open-approvals.ts';
import type { Decided } from '../core/ports.ts';
import { visible } from '../core/visible.ts';
import { type Client, connectClient, newEventId } from './client.ts';
import { exitCodes } from './exit-codes.ts';

interface Options {
  readonly tokenFile?: string;
  readonly json?: boolean;
}

export async function listApprovals(options: Options): Promise<void> {
  const client = connectClient(options);
  const { approvals } = await client.get<{ approvals: readonly ListedApproval[] }>('/api/approvals');
  const none = 'No open approval that you may decide or asked for.';
  const rows = approvals.map((listed) => approvalRow(listed, Date.now()));
  print(options, { approvals }, rows.join('\n') || none);
}

export async function showApproval(id: string, options: Options): Promise<void> {
  const approval = await approvalOf(connectClient(options), id);
  print(options, { approval }, approvalText(approval, Date.now()));
}

/** Exit codes: 0 counted, 3 refused or not confirmed, 5 too late. */
export async function decideApproval(
  id: string,
  verdict: 'approve' | 'deny',
  options: Options & { readonly yes?: boolean; readonly reason?: string },
): Promise<number> {
  const client = connectClient(options);
  const approval = await approvalOf(client, id);
  // With --json stdout is the answer's alone.
  const shown = options.json ? process.stderr : process.stdout;
  shown.write(`${approvalText(approval, Date.now())}\n\n`);
  if (!approval.open) {
    process.stderr.write('Nothing was sent: it is not open any more.\n');
    return exitCodes.late;
  }
  if (!options.yes && !approval.mayDecide) {
    process.stderr.write(`Nothing was sent: ${visible(approval.why ?? 'you may not decide this.')}\n`);
    return exitCodes.refused;
  }
  if (verdict === 'approve' && !options.yes && !(await confirmed())) {
    process.stderr.write('Nothing was sent.\n');
    return exitCodes.refused;
  }

  const decided = await client.post<Decided>('/api/decide', {
    approval: id,
    verdict,
    digest: approval.card.digest,
    id: newEventId(),
    ...(options.reason ? { reason: options.reason } : {}),
  });
  print(options, { approval: id, ...decided }, decided.text);
  return { counted: exitCodes.done, refused: exitCodes.refused, late: exitCodes.late }[decided.kind];
}

async function approvalOf(client: Client, id: string): Promise<ListedApproval> {
  const path = `/api/approvals/${encodeURIComponent(id)}`;
  return (await client.get<{ approval: ListedApproval }>(path)).approval;
}

/** A word typed out, so that no key pressed by habit approves. */
async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new OpsError(
      'config-invalid',
      'Nobody can be asked here whether this is to be approved.',
      'Use --yes once you have read it.',
    );
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  const answer = await Promise.race([terminal.question('Type approve to approve this: '), closed]);
  terminal.close();
  return answer.trim().toLowerCase() === 'approve';
}

function print({ json }: Options, value: object, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${visible(text)}\n`);
}
