import { InMemoryTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mcpToolsOver } from '../../src/backends/tools.ts';
import { recordingLogger } from '../fakes/logger.ts';
import { call, type Rig, startRig } from '../whitelist/fixture.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.close());

/** A client whose connection refuses what it is to send, as a pipe does whose other end was just killed. */
function withPipe(error: Error) {
  return mcpToolsOver(
    () => {
      const [near, far] = InMemoryTransport.createLinkedPair();
      rig.server.serve(far);
      const send = near.send.bind(near);
      near.send = async (message, options) => {
        if ('method' in message && message.method === 'tools/call') throw error;
        return send(message, options);
      };
      return near;
    },
    { logger: recordingLogger(), clock: { now: () => Date.now() } },
  );
}

describe('a call that could not be handed over', () => {
  it.each([
    ['a broken pipe', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })],
    ['a server that has ended', new Error('the whitelist server is not running')],
  ])('because of %s is told as unavailable, to be made again: it is no result', async (_, error) => {
    const tools = withPipe(error);

    const outcome = await call(rig, 'check_disk', {}, { tools });

    expect(outcome).toMatchObject({ kind: 'unavailable', problem: { code: 'tools-unavailable' } });
    await tools.close();
  });
});
