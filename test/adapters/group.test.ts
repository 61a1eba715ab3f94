/**
 * A call on a group of hosts as people see it: the summary, failures first, what differs, and who was left out.
 */
import { describe, expect, it } from 'vitest';
import { render as renderDiscord } from '../../adapters/discord/render.ts';
import { render as renderSlack } from '../../adapters/slack/render.ts';
import { readRun } from '../../src/backends/redis/run-schema.ts';
import { outputOf } from '../../src/cli/follow.ts';
import type { RanCommand } from '../../src/core/command.ts';
import { allCalls } from '../../src/core/run.ts';
import { agentSpoke, claim, settleCall } from '../../src/core/run-changes.ts';
import { draw } from '../../src/core/view.ts';
import { testRun } from '../fakes/requests.ts';
import { visibleText } from '../twins/slack/blocks.ts';

const ran = (host: string, over: Partial<RanCommand> = {}): RanCommand => ({
  command: 'packages',
  host,
  line: 'dpkg -l',
  end: { kind: 'exited', code: 0 },
  ms: 12,
  output: 'nginx 1.0\ncurl 8.0',
  truncated: false,
  ...over,
});
const results = [
  ran('web-7', { end: { kind: 'exited', code: 3 }, output: 'broken' }),
  ran('web-5', {
    sameOn: ['web-6'],
    differs: '--- web-1\n+++ web-5\n@@ -1,2 +1,2 @@\n-nginx 1.0\n+nginx 1.1',
  }),
  ran('web-1', { sameOn: ['web-2', 'web-3', 'web-4'] }),
  ran('web-8', { end: { kind: 'unreachable', problem: 'web-8 refused the connection' }, output: '' }),
];
const summary = '4 of 7 agree; 3 differ (1 failed); 1 unreachable; 2 not run';
const notRun = [{ command: 'packages', hosts: ['db-1', 'db-2'], reason: 'nobody may ask there' }];

function grouped() {
  const spoken = agentSpoke(
    claim(testRun('e1'), 'w', 1_000, 5_000) ?? testRun('e1'),
    { text: '', calls: [{ modelId: 'a', tool: 'check_packages', args: { host: 'all' } }] },
    {},
    2,
  );
  const [call] = allCalls(spoken);
  if (!call) throw new Error('no call');
  return settleCall(spoken, call.id, {
    kind: 'done',
    ms: 30,
    result: { text: 'x', isError: false, ran: results, summary, notRun },
  });
}

describe('a call on a group of hosts', () => {
  const [drawing] = draw(grouped());
  const view = drawing?.view;
  if (view?.kind !== 'segment') throw new Error('no segment');
  const part = view.parts.find((p) => p.kind === 'call');
  if (part?.kind !== 'call') throw new Error('no call');

  it('ends with its summary, and did not succeed while one host did not', () => {
    expect(part.call).toMatchObject({ status: 'failed', outcome: summary, notRun });
  });

  it('is read back from the store as it was saved', () => {
    expect(readRun(JSON.stringify(grouped()))).toEqual(grouped());
  });

  it.each([
    ['Slack', () => visibleText(renderSlack(view).blocks)],
    ['Discord', () => JSON.stringify(renderDiscord(view, 'k')).replaceAll('\\\\', '')],
  ])('is drawn in %s with failures first, the difference and who was left out', (_, seen) => {
    const text = seen();

    expect(text).toContain('4 of 7 agree');
    const places = ['web-7', 'web-5, web-6', 'web-1 and 3 more', 'web-8', 'db-1, db-2'].map((s) =>
      text.indexOf(s),
    );
    expect(places.every((at) => at > 0)).toBe(true);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(text).toContain('nginx 1.1');
    expect(text).toContain('nobody may ask there');
  });

  it('is printed on the command line result by result, with the difference instead of the output', () => {
    const printed = outputOf({ status: 'finished', parts: view.parts, cards: [] });

    expect(printed.split('\n\n')).toEqual([
      '── web-7: exit 3\nbroken',
      '── web-5, web-6: exit 0\n--- web-1\n+++ web-5\n@@ -1,2 +1,2 @@\n-nginx 1.0\n+nginx 1.1',
      '── web-1 and 3 more: exit 0\nnginx 1.0\ncurl 8.0',
      '── web-8: not run: web-8 refused the connection',
    ]);
  });

  it('on one host is printed as the output alone', () => {
    const only = { ...part, call: { ...part.call, ran: [ran('web-1')] } };

    expect(outputOf({ status: 'finished', parts: [only], cards: [] })).toBe('nginx 1.0\ncurl 8.0');
  });
});
