/**
 * The predecessor's file: all of it loads as it stands, and every command runs on a real host over SSH. Tools that
 * are missing or would be offline here are recorders, put first by the host's PATH.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCatalogue } from '../../src/config/commands.ts';
import type { CommandSpec, Host } from '../../src/core/command.ts';
import type { CommandRunner } from '../../src/core/ports.ts';
import { commandsOf } from '../../src/core/shell-commands.ts';
import { type Loopback, startLoopback } from '../../src/whitelist/loopback.ts';
import { STANDARD_PATH } from '../../src/whitelist/remote-line.ts';
import { render } from '../../src/whitelist/render.ts';
import { createSshRunner } from '../../src/whitelist/ssh/runner.ts';
import { recordingLogger } from '../fakes/logger.ts';

const { commands, problems } = loadCatalogue(
  'predecessor-commands.yaml',
  readFileSync('test/fixtures/predecessor-commands.yaml', 'utf8'),
);
const named = (name: string): CommandSpec => {
  const found = commands.find((c) => c.name === name);
  if (!found) throw new Error(`no ${name}`);
  return found;
};

describe('the predecessor’s commands.yaml', () => {
  it('loads unchanged: 39 commands under their own names and categories', () => {
    expect(problems).toEqual([]);
    expect(commands).toHaveLength(39);
    expect(named('ubuntu').template.source).toBe('hostname');
    expect(commands.filter((c) => c.name.startsWith('memory_')).map((c) => c.category)).toEqual([
      'system',
      'system',
    ]);
    expect([...new Set(commands.map((c) => c.category))].sort()).toEqual(
      'custom disk docker network process service system'.split(' '),
    );
  });

  it('counts every one of them as a read, because their templates show it', () => {
    expect(commands.filter((c) => c.risk !== 'read').map((c) => c.name)).toEqual([]);
    expect(commands.filter((c) => c.floor !== undefined)).toEqual([]);
  });

  it('types their parameters from name and description', () => {
    const types = commands.flatMap((c) => c.params.map((p) => `${p.name} ${p.type.kind}`));

    expect([...new Set(types)].sort()).toEqual([
      'container_name container',
      'lines integer',
      'path path',
      'service_name unit',
    ]);
  });
});

describe('every command of the predecessor on a host', () => {
  const dir = mkdtempSync(join(tmpdir(), 'opsagent-predecessor-'));
  const log = join(dir, 'log');
  const bin = join(dir, 'bin');
  let loopback: Loopback;
  let runner: CommandRunner;
  let host: Host;

  beforeAll(async () => {
    mkdirSync(bin);
    const tools = commands.flatMap((c) => commandsOf(c.template).map((command) => command.name));
    for (const tool of new Set(tools)) if (mustRecord(tool)) record(tool);
    loopback = await startLoopback({ dir: join(dir, 'keys'), shell: '/bin/sh' });
    runner = createSshRunner({ clock: { now: Date.now }, logger: recordingLogger() });
    host = {
      name: 'old',
      address: '127.0.0.1',
      port: loopback.port,
      user: loopback.user,
      keyFile: loopback.clientKeyFile,
      hostKey: { kind: 'fingerprint', sha256: loopback.hostKeySha256 },
      path: `${bin}:${STANDARD_PATH}`,
      tags: [],
      tier: 'local',
    };
  });
  afterAll(async () => {
    await runner.close();
    await loopback.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const mustRecord = (tool: string) =>
    /^(?:systemctl|journalctl|timedatectl|docker)$/.test(tool) ||
    !STANDARD_PATH.split(':').some((folder) => existsSync(join(folder, tool)));
  const record = (tool: string) => {
    const file = join(bin, tool);
    const words = `{ printf '%s' ${tool}; printf '<%s>' "$@"; echo; } >>${log}`;
    writeFileSync(file, `#!/bin/sh\n${words}\necho "Time zone: nameserver"\n`);
    chmodSync(file, 0o755);
  };
  const values: Readonly<Record<string, string>> = {
    path: '/etc/ssl',
    service_name: 'getty@tty1.service',
    container_name: 'compose-web-1',
    lines: '7',
  };

  async function run(spec: CommandSpec) {
    writeFileSync(log, '');
    const given = Object.fromEntries(spec.params.map((p) => [p.name, values[p.name] ?? '']));
    const rendered = render(spec, given, host);
    if (!rendered.ok) throw new Error(rendered.problems.join());
    const result = await runner.run(rendered.command, host, new AbortController().signal);
    return { rendered: rendered.command, result, recorded: readFileSync(log, 'utf8') };
  }

  it.each(commands.map((c) => [c.name, c] as const))('%s', async (_, spec) => {
    const { result, rendered, recorded } = await run(spec);

    // What stands behind the values is the template itself, byte for byte.
    const template = spec.template.source.replace(/(?<![{$])\{(\w+)\}(?!\})/g, (_m, name: string) => {
      return `"$${spec.params.findIndex((p) => p.name === name) + 1}"`;
    });
    expect(rendered.script).toBe(template);
    expect(result.end.kind).toBe('exited');
    if (spec.name !== 'dmesg_recent') expect(result.stderr).toBe('');
    if (/^(?:systemctl|journalctl|docker|timedatectl)/.test(template)) expect(recorded).not.toBe('');
    expect(result.end).toEqual({ kind: 'exited', code: 0 });
  });

  it('hands values over as one word each', async () => {
    expect((await run(named('service_logs'))).recorded).toBe(
      'journalctl<-u><getty@tty1.service><-n><7><--no-pager>\n',
    );
    expect((await run(named('docker_ps'))).recorded).toBe(
      'docker<ps><--format><table {{.Names}}\\t{{.Status}}\\t{{.Ports}}>\n',
    );
  });
});
