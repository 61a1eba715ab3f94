/**
 * A CommandRunner without hosts: a function says how each command behaves. Passes the same contract as the SSH one.
 */
import type { CommandResult, Host, RenderedCommand } from '../../src/core/command.ts';
import type { CommandRunner } from '../../src/core/ports.ts';

export type Scripted =
  | { readonly kind: 'ends'; readonly code: number; readonly stdout?: string; readonly stderr?: string }
  | { readonly kind: 'signalled'; readonly signal: string }
  /** Runs until the signal or its time limit; `after` (a promise) lets it end by itself with code 0. */
  | { readonly kind: 'hangs'; readonly stdout?: string; readonly after?: Promise<unknown> }
  | { readonly kind: 'unreachable' | 'lost'; readonly problem: string };

export interface ScriptedRunner extends CommandRunner {
  /** Everything that was run, in order. */
  readonly ran: readonly { readonly command: RenderedCommand; readonly host: Host }[];
}

export function createScriptedRunner(
  script: (command: RenderedCommand, host: Host) => Scripted,
): ScriptedRunner {
  const ran: { command: RenderedCommand; host: Host }[] = [];
  /** By host and id; undefined where nothing may begin any more. */
  const kept = new Map<string, Promise<CommandResult> | undefined>();
  let closed = false;

  const runner: ScriptedRunner = {
    ran,
    async run(command, host, signal, onOutput, keepAs) {
      if (keepAs !== undefined) {
        const key = `${host.name} ${keepAs}`;
        if (!kept.has(key)) kept.set(key, runner.run(command, host, signal, onOutput));
        return (
          kept.get(key) ?? ended({ kind: 'unreachable', problem: 'it was told not to begin it any more' })
        );
      }
      if (closed) return ended({ kind: 'unreachable', problem: 'opsagent is stopping' });
      if (signal.aborted) return ended({ kind: 'cancelled', ended: true });
      const behaviour = script(command, host);
      if (behaviour.kind !== 'unreachable') ran.push({ command, host });
      switch (behaviour.kind) {
        case 'ends':
          onOutput?.(Buffer.byteLength(`${behaviour.stdout ?? ''}${behaviour.stderr ?? ''}`));
          return output(
            command,
            { kind: 'exited', code: behaviour.code },
            behaviour.stdout,
            behaviour.stderr,
          );
        case 'signalled':
          return ended({ kind: 'signalled', signal: behaviour.signal });
        case 'hangs':
          return hang(command, signal, behaviour);
        case 'unreachable':
        case 'lost':
          return ended({ kind: behaviour.kind, problem: behaviour.problem });
        default:
          return behaviour satisfies never;
      }
    },
    async collect(keepAs, _command, host) {
      const key = `${host.name} ${keepAs}`;
      if (!kept.has(key)) kept.set(key, undefined);
      return kept.get(key);
    },
    async close() {
      closed = true;
    },
  };
  return runner;
}

function hang(
  command: RenderedCommand,
  signal: AbortSignal,
  { stdout, after }: Scripted & { kind: 'hangs' },
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(output(command, { kind: 'timed-out', ended: true }, stdout));
    }, command.timeoutSeconds * 1000);
    const finish = (end: CommandResult['end']): void => {
      clearTimeout(timer);
      resolve(output(command, end, stdout));
    };
    signal.addEventListener('abort', () => finish({ kind: 'cancelled', ended: true }), { once: true });
    void after?.then(() => finish({ kind: 'exited', code: 0 }));
  });
}

function output(
  command: RenderedCommand,
  end: CommandResult['end'],
  stdout = '',
  stderr = '',
): CommandResult {
  const cut = (text: string): string => Buffer.from(text).subarray(0, command.maxOutputBytes).toString();
  const truncated = [stdout, stderr].some((text) => Buffer.byteLength(text) > command.maxOutputBytes);
  return { end, stdout: cut(stdout), stderr: cut(stderr), truncated, ms: 1, hostKey: 'SHA256:scripted' };
}

function ended(end: CommandResult['end']): CommandResult {
  return { end, stdout: '', stderr: '', truncated: false, ms: 0 };
}
