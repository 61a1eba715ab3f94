/**
 * `opsagent ask`: one question to the running instance, its answer on stdout.
 */

import { type Asked, connectClient, newEventId } from './client.ts';
import { exitCodes } from './exit-codes.ts';
import { answerOf, exitCodeOf, type Followed, follow, noticesOf } from './follow.ts';

export interface AskOptions {
  readonly thread?: string;
  readonly wait: boolean;
  readonly waitApproval?: boolean;
  readonly json?: boolean;
}

export async function ask(text: string, options: AskOptions): Promise<number> {
  const client = connectClient();
  const asked = await client.post<Asked>('/api/ask', {
    text,
    id: newEventId(),
    ...(options.thread ? { thread: options.thread } : {}),
  });
  return seeThrough(client, asked, options, (followed) => answerOf(followed));
}

/** From what the instance said to the exit code; `output` is what a person wants on stdout. */
export async function seeThrough(
  client: ReturnType<typeof connectClient>,
  { thread, result }: Asked,
  options: AskOptions,
  output: (followed: Followed) => string,
): Promise<number> {
  const print = (value: object, text: string) =>
    process.stdout.write(options.json ? `${JSON.stringify(value)}\n` : text ? `${text.trimEnd()}\n` : '');

  if (result.kind === 'refused' || result.kind === 'ignored') {
    const why = result.kind === 'refused' ? result.text : 'It was not taken up.';
    if (options.json) print({ thread, ...result }, '');
    else process.stderr.write(`${why}\n`);
    return exitCodes.refused;
  }
  if (result.kind === 'answered') {
    print({ thread, ...result }, result.text);
    return exitCodes.done;
  }
  const { runId } = result;
  if (!options.wait) {
    print({ thread, run: runId }, `${runId} in thread ${thread}`);
    return exitCodes.done;
  }

  const followed = await follow(client, thread, runId, {
    waitApproval: options.waitApproval ?? false,
    trace: (line) => process.stderr.write(`${line}\n`),
  });
  for (const notice of noticesOf(followed)) process.stderr.write(`${notice}\n`);
  const { status, parts, cards } = followed;
  const calls = parts.flatMap((p) => (p.kind === 'call' ? [p.call] : []));
  print(
    { thread, run: runId, status, answer: answerOf(followed), calls, approvals: cards },
    output(followed),
  );
  return exitCodeOf(followed);
}
