import { describe, expect, it } from 'vitest';
import type { Run } from '../../src/core/run.ts';
import { agentSpoke, claim, end, join, settleCall, startCalls } from '../../src/core/run-changes.ts';
import { draw, type SegmentView } from '../../src/core/view.ts';
import { waitingRun } from '../fakes/approvals.ts';
import { ann, bob } from '../fakes/policy.ts';
import { signedRequest, testRun } from '../fakes/requests.ts';

const running = (run: Run) => claim(run, 'w', 1_000, 5_000) ?? run;
const segments = (run: Run, streaming = '') =>
  draw(run, { streaming }).flatMap((d) =>
    d.view.kind === 'segment' ? [d.view] : [],
  ) as readonly SegmentView[];

describe('a run is drawn', () => {
  it('as one segment with its question from the first moment', () => {
    const [only] = draw(testRun('e1'));

    expect(only?.key).toMatch(/^r[0-9a-f]{20}\.s0$/);
    expect(only?.view).toMatchObject({
      kind: 'segment',
      status: 'queued',
      stoppable: true,
      parts: [{ kind: 'person' }],
    });
  });

  it('with the text of the turn under way at the end', () => {
    const [only] = segments(running(testRun('e1')), 'There is');

    expect(only?.parts.at(-1)).toEqual({ kind: 'text', markdown: 'There is' });
    expect(only?.status).toBe('thinking');
  });

  it('with what was said meanwhile before the agent has read it', () => {
    const run = running(testRun('e1'));

    const [only] = segments(join(run, signedRequest('e2', { runId: run.id }), 'and inodes?') ?? run);

    expect(only?.parts).toMatchObject([{ text: 'how much disk?' }, { text: 'and inodes?' }]);
  });

  it('with each call by the name people know, its arguments and its outcome', () => {
    const calls = [
      {
        modelId: 'a',
        tool: 'execute_command',
        args: {
          command_name: 'service_status',
          parameters: { service: 'nginx' },
          host: 'web-1',
          reason: 'x',
        },
      },
      { modelId: 'b', tool: 'check_disk', args: {} },
    ];
    const run = running(agentSpoke(testRun('e1'), { text: '', calls }, {}, 2));
    const [id] = calls.map((_, i) => `${run.id}-${i}`);
    const started = startCalls(run, [id as never], 'w', 3);
    const ran = {
      command: 'service_status',
      host: 'web-1',
      line: 'systemctl status nginx',
      end: { kind: 'exited', code: 3 } as const,
      ms: 9,
      output: 'inactive',
      truncated: false,
    };
    const done = settleCall(started, id as never, {
      kind: 'done',
      ms: 12,
      result: { text: 'x', isError: false, ran: [ran] },
    });

    expect(segments(started)[0]?.status).toBe('working');
    expect(segments(done)[0]?.parts.slice(1)).toMatchObject([
      {
        call: {
          title: 'service_status service=nginx host=web-1',
          status: 'failed',
          outcome: 'exit 3',
          ms: 12,
        },
      },
      { call: { title: 'check_disk', status: 'running' } },
    ]);
  });

  it('with the card below the segment that asks, and nothing below it while people think', () => {
    const { run, request } = waitingRun(ann);

    const drawn = draw(run);

    expect(drawn.map((d) => d.key)).toEqual([`${run.id}.s0`, request.id]);
    expect(drawn[0]?.view).toMatchObject({ status: 'waiting', stoppable: true });
    expect(drawn[1]?.view).toMatchObject({
      kind: 'card',
      verdict: 'pending',
      requestedBy: ann,
      agentReason: 'it hangs',
    });
  });

  it('with what follows a decision below the card', () => {
    const { run, request } = waitingRun(ann);
    const answered = end(
      agentSpoke(running(run), { text: 'Done.', calls: [] }, {}, 3),
      { kind: 'finished' },
      4,
    );

    expect(draw(answered).map((d) => d.key)).toEqual([`${run.id}.s0`, request.id, `${run.id}.s1`]);
    expect(segments(answered)[1]).toMatchObject({
      status: 'finished',
      stoppable: false,
      parts: [{ markdown: 'Done.' }],
    });
  });

  it('with who stopped it, and with why it failed and what to do', () => {
    const stopped = end(testRun('e1'), { kind: 'cancelled', by: bob }, 1);
    const problem = {
      code: 'model-overloaded',
      message: 'The model is overloaded.',
      remedy: 'Try again.',
    } as const;
    const failed = end(testRun('e1'), { kind: 'failed', problem }, 1);

    expect(segments(stopped)[0]?.parts.at(-1)).toMatchObject({ text: 'Stopped by bob.' });
    expect(segments(failed)[0]?.parts.at(-1)).toMatchObject({
      level: 'error',
      text: 'The model is overloaded. Try again.',
    });
  });

  it('with the tokens it used once it has ended, and not before', () => {
    const spoke = agentSpoke(
      testRun('e1'),
      { text: 'Hi', calls: [] },
      { requests: 2, inputTokens: 10, cachedTokens: 90, outputTokens: 5 },
      1,
    );

    expect(segments(spoke)[0]?.footer).toBeUndefined();
    expect(segments(end(spoke, { kind: 'finished' }, 2))[0]?.footer).toBe(
      '100 tokens in (90 cached), 5 out, 2 model requests',
    );
  });
});
