/**
 * The suite that every implementation of the port Tools passes: the real one over MCP and the scripted one.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApprovalRequest, Grant } from '../../src/core/approval.ts';
import type { ToolOutcome, ToolRequest, Tools } from '../../src/core/ports.ts';

export interface ToolsHarness {
  readonly tools: Tools;
  /** A new read, and a new change that needs an approval; each with a call id of its own. */
  read(): ToolRequest;
  change(): ToolRequest;
  /** People's answer to the question. */
  answer(request: ApprovalRequest, verdict: 'approve' | 'deny'): Grant;
  /** How often anything was run. */
  runs(): number;
  /** Makes runs wait until released or stopped. */
  hold(): { release(): void };
  /** Resolves when the n-th run has begun. */
  begun(n: number): Promise<void>;
  /** The server dies, with everything it had in memory. */
  die(): Promise<void>;
  close(): Promise<void>;
}

export function toolsContract(name: string, create: () => Promise<ToolsHarness>): void {
  describe(`Tools: ${name}`, () => {
    let h: ToolsHarness;
    beforeEach(async () => {
      h = await create();
    });
    afterEach(() => h.close());

    const go = (request: ToolRequest, signal = new AbortController().signal) => h.tools.call(request, signal);
    const ask = async (change: ToolRequest): Promise<ApprovalRequest> => {
      const outcome = await go(change);
      if (outcome.kind !== 'approval') throw new Error(`expected a question, got ${JSON.stringify(outcome)}`);
      return outcome.request;
    };
    const approved = async (change: ToolRequest): Promise<ToolRequest> => ({
      ...change,
      grant: h.answer(await ask(change), 'approve'),
    });

    it('lists tools with a description and a schema', async () => {
      const list = await h.tools.list();

      expect(list.length).toBeGreaterThan(0);
      for (const tool of list) {
        expect(tool.description).not.toBe('');
        expect(tool.inputSchema).toMatchObject({ type: 'object' });
      }
    });

    it('runs a read and returns text for the model and commands for people', async () => {
      const outcome = await go(h.read());

      expect(outcome).toMatchObject({ kind: 'result', result: { isError: false } });
      if (outcome.kind === 'result') {
        expect(outcome.result.text).not.toBe('');
        expect(outcome.result.ran).toMatchObject([{ end: { kind: 'exited', code: 0 } }]);
      }
    });

    it('answers a change with the question to people, and runs nothing, also once the tools were listed', async () => {
      await h.tools.list();
      const change = h.change();

      const request = await ask(change);

      expect(request.callId).toBe(change.callId);
      expect(request.expiresAt).toBeGreaterThan(request.askedAt);
      expect(h.runs()).toBe(0);
    });

    it('runs an approved change, once, however often it is called', async () => {
      const change = await approved(h.change());

      const outcomes: ToolOutcome[] = await Promise.all([go(change), go(change)]);
      outcomes.push(await go(change));

      expect(h.runs()).toBe(1);
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ kind: 'result', result: { isError: false } });
    });

    it('refuses a denied change', async () => {
      const change = h.change();
      const grant = h.answer(await ask(change), 'deny');

      expect(await go({ ...change, grant })).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(/./),
      });
      expect(h.runs()).toBe(0);
    });

    it('stops a call and says how it ended', async () => {
      h.hold();
      const stop = new AbortController();

      const outcome = go(h.read(), stop.signal);
      await h.begun(1);
      stop.abort();

      expect(await outcome).toMatchObject({
        kind: 'result',
        result: { ran: [{ end: { kind: 'cancelled' } }] },
      });
    });

    it('runs nothing for a call that was stopped before', async () => {
      expect(await go(h.read(), AbortSignal.abort())).toMatchObject({ kind: 'refused' });
      expect(h.runs()).toBe(0);
    });

    it('says unavailable when the server dies under a call, and works again after', async () => {
      const held = h.hold();
      const outcome = go(h.read());
      await h.begun(1);

      await h.die();

      expect(await outcome).toMatchObject({ kind: 'unavailable', problem: { code: 'tools-unavailable' } });
      held.release();
      expect(await go(h.read())).toMatchObject({ kind: 'result' });
    });
  });
}
