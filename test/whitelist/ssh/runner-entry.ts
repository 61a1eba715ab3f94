/**
 * A process with a runner in it, to be killed: `node runner-entry.js REQUEST` runs one kept command and prints its
 * result as JSON. REQUEST is JSON: command, host, keepAs.
 */
import type { Host, RenderedCommand } from '../../../src/core/command.ts';
import { createSshRunner } from '../../../src/whitelist/ssh/runner.ts';
import { recordingLogger } from '../../fakes/logger.ts';

interface Request {
  readonly command: RenderedCommand;
  readonly host: Host;
  readonly keepAs: string;
}

const { command, host, keepAs } = JSON.parse(process.argv[2] ?? '') as Request;
const runner = createSshRunner({ clock: { now: () => Date.now() }, logger: recordingLogger() });
const { signal } = new AbortController();
process.stdout.write(JSON.stringify(await runner.run(command, host, signal, undefined, keepAs)));
await runner.close();
