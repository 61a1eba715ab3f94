/**
 * What every CommandRunner does. The harness offers one reachable host, one that is not, and renders the scenarios.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host, RenderedCommand } from '../../src/core/command.ts';
import type { CommandRunner } from '../../src/core/ports.ts';

/** Commands of the suite: a real runner runs the script, a fake knows them by name. */
export const SCENARIOS = {
  greets: 'printf "hello %s" "$1"; printf oops >&2; exit 3',
  dies: 'kill -9 $$',
  hangs: 'echo begun; sleep 300',
  floods: 'head -c 100000 /dev/zero | tr "\\0" x',
} as const;

export type Scenario = keyof typeof SCENARIOS;

export interface CommandRunnerHarness {
  readonly runner: CommandRunner;
  readonly host: Host;
  readonly unreachable: Host;
  close(): Promise<void>;
}

/** A rendered command as `render` would make it, for tests. */
export function renderedCommand(over: Partial<RenderedCommand>): RenderedCommand {
  return {
    command: 'test',
    host: 'web-1',
    values: {},
    line: 'test',
    script: 'true',
    args: [],
    timeoutSeconds: 20,
    maxOutputBytes: 10_000,
    digest: '',
    bound: { what: {}, where: {} },
    ...over,
  };
}

export function commandRunnerContract(name: string, create: () => Promise<CommandRunnerHarness>): void {
  describe(`CommandRunner contract: ${name}`, () => {
    let harness: CommandRunnerHarness;
    const never = new AbortController().signal;
    const run = (
      scenario: Scenario,
      over: Partial<RenderedCommand> = {},
      signal = never,
      host = harness.host,
    ) =>
      harness.runner.run(
        renderedCommand({ command: scenario, script: SCENARIOS[scenario], ...over }),
        host,
        signal,
      );

    /** The hosts of these suites are this machine, and the records stand in its home. */
    const tidy = (id: string) =>
      harness.runner.run(
        renderedCommand({ script: 'rm -r "$HOME/.local/state/opsagent/$1"', args: [id] }),
        harness.host,
        never,
      );

    beforeAll(async () => {
      harness = await create();
    });
    afterAll(() => harness.close());

    it('gives exit status, stdout and stderr apart, and the key that the host showed', async () => {
      const result = await run('greets', { args: ['web'] });

      expect(result).toMatchObject({
        end: { kind: 'exited', code: 3 },
        stdout: 'hello web',
        stderr: 'oops',
        truncated: false,
      });
      expect(result.hostKey).toMatch(/^SHA256:/);
    });

    it('tells while it runs how many bytes have come', async () => {
      const heard: number[] = [];

      await harness.runner.run(
        renderedCommand({ command: 'greets', script: SCENARIOS.greets, args: ['web'] }),
        harness.host,
        never,
        (bytes) => heard.push(bytes),
      );

      expect(heard.reduce((sum, n) => sum + n, 0)).toBe('hello weboops'.length);
    });

    it('says which signal ended a command', async () => {
      expect((await run('dies')).end).toEqual({ kind: 'signalled', signal: 'SIGKILL' });
    });

    it('ends a command at its time limit and keeps its output so far', async () => {
      const result = await run('hangs', { timeoutSeconds: 1 });

      expect(result.end).toEqual({ kind: 'timed-out', ended: true });
      expect(result.stdout).toBe('begun\n');
    });

    it('ends a command when the signal aborts', async () => {
      const abort = new AbortController();
      const running = run('hangs', {}, abort.signal);
      setTimeout(() => abort.abort(), 200);

      expect((await running).end).toEqual({ kind: 'cancelled', ended: true });
    });

    it('does not start a command whose signal has aborted already', async () => {
      const result = await run('greets', {}, AbortSignal.abort());

      expect(result).toMatchObject({ end: { kind: 'cancelled', ended: true }, stdout: '' });
    });

    it('cuts output at the limit and says so', async () => {
      const result = await run('floods', { maxOutputBytes: 1000 });

      expect(result).toMatchObject({ stdout: 'x'.repeat(1000), truncated: true });
    });

    it('says that a host which cannot be reached ran nothing', async () => {
      const result = await run('greets', {}, never, harness.unreachable);

      expect(result.end).toMatchObject({ kind: 'unreachable' });
    });

    it('keeps what runs under an id: a second run and whoever collects get the result of the first', async () => {
      const id = `contract-${randomUUID()}`;
      const first = renderedCommand({ command: 'greets', script: SCENARIOS.greets, args: ['first'] });
      const { runner, host } = harness;

      const results = [
        await runner.run(first, host, never, undefined, id),
        await runner.run({ ...first, args: ['second'] }, host, never, undefined, id),
        await runner.collect(id, first, host, never),
      ];

      const same = { end: { kind: 'exited', code: 3 }, stdout: 'hello first', stderr: 'oops' };
      expect(results).toMatchObject([same, same, same]);
      await tidy(id);
    });

    it('has nothing to collect where nothing began, and begins nothing under that id any more', async () => {
      const id = `contract-${randomUUID()}`;
      const command = renderedCommand({ command: 'greets', script: SCENARIOS.greets, args: ['web'] });
      const { runner, host } = harness;

      expect(await runner.collect(id, command, host, never)).toBeUndefined();
      expect((await runner.run(command, host, never, undefined, id)).end).toMatchObject({
        kind: 'unreachable',
      });
      await tidy(id);
    });

    it('runs nothing after close', async () => {
      await harness.runner.close();

      expect((await run('greets')).end).toMatchObject({ kind: 'unreachable' });
    });
  });
}
