import { describe, expect, it } from 'vitest';
import type { Host } from '../../src/core/command.ts';
import { bindingOf, changedParts, specHash } from '../../src/whitelist/binding.ts';
import { render } from '../../src/whitelist/render.ts';
import { host, spec, unitParam } from './fixture.ts';

const restart = spec('restart_service', 'systemctl restart {service_name}', {
  params: [unitParam],
  risk: 'change',
});

function rendered(given: Record<string, string>, on: Host = host, what = restart) {
  const result = render(what, given, on);
  if (!result.ok) throw new Error(result.problems.join());
  return result.command;
}

describe('rendering', () => {
  it('hands values beside the script, never in it', () => {
    const command = rendered({ service_name: 'getty@tty1.service' });

    expect(command.script).toBe('systemctl restart "$1"');
    expect(command.args).toEqual(['getty@tty1.service']);
    expect(command.line).toBe('systemctl restart getty@tty1.service');
  });

  it.each<Record<string, string>>([
    {},
    { service_name: '-Hevil' },
    { service_name: 'a', extra: 'b' },
    { constructor: 'x' },
  ])('refuses %j with words, all at once', (given) => {
    const result = render(restart, given, host);

    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.problems.length).toBeGreaterThan(0);
  });

  it('has the same digest for the same thing', () => {
    expect(rendered({ service_name: 'a' }).digest).toBe(rendered({ service_name: 'a' }).digest);
  });

  it.each<[string, Partial<Host>]>([
    ['the address of local', { address: '10.0.0.1' }],
    ['the port of local', { port: 1 }],
    ['the login user of local', { user: 'root' }],
    ['the host key of local', { hostKey: { kind: 'known-hosts', file: '/k' } }],
    ['the PATH of local', { path: '/opt' }],
    ['the route of local', { jump: 'bastion' }],
    ['the gate setting of local', { gate: true }],
    ['the hosts', { name: 'other' }],
  ])('binds %s, and names it when it changed', (words, over) => {
    const before = rendered({ service_name: 'a' });
    const after = rendered({ service_name: 'a' }, { ...host, ...over });

    expect(after.digest).not.toBe(before.digest);
    const keys = new Map([['local', ['SHA256:first']]]);
    expect(changedParts(bindingOf([before], keys), bindingOf([after], keys))).toEqual([words]);
  });

  it('binds neither the file of our own key nor its passphrase', () => {
    const after = rendered({ service_name: 'a' }, { ...host, keyFile: '/k', passphrase: 'p' });

    expect(after.digest).toBe(rendered({ service_name: 'a' }).digest);
    expect(JSON.stringify(after)).not.toContain('passphrase');
  });

  it('names the rule of the floor that these values break', () => {
    const remove = spec('remove', 'rm -rf {path}', {
      params: [{ name: 'path', description: '', type: { kind: 'path', roots: [] }, optional: false }],
      risk: 'change',
    });

    expect(rendered({ path: '/etc' }, host, remove).floor).toBe(
      'removes-a-root: rm removes /etc with all that is in it',
    );
    expect(rendered({ path: '/srv/app/old' }, host, remove).floor).toBeUndefined();
    expect(rendered({}, host, spec('wipe', 'wipefs -a /dev/sdb')).floor).toContain('writes-a-disk');
  });

  it.each([
    ['find {path} -type f -exec du -h {} + 2>/dev/null | sort -rh | head -10', { path: '/srv/My Files/ü' }],
    ["docker ps --format 'table {{.Names}}\t{{.Status}}\t{{.Ports}}'", {}],
    ['timedatectl | grep "Time zone"', {}],
  ])('keeps %s byte for byte', (source, given: Record<string, string>) => {
    const params = Object.keys(given).map((name) => ({
      name,
      description: '',
      type: { kind: 'path', roots: [] } as const,
      optional: false,
    }));

    const command = rendered(given, host, spec('exact', source, { params }));

    expect(command.script).toBe(source.replace('{path}', '"$1"'));
    expect(command.line).toBe(source.replace('{path}', "'/srv/My Files/ü'"));
    expect(command.args).toEqual(Object.values(given));
  });

  it('hashes this spec alone, whatever the order of its fields', () => {
    const turned = Object.fromEntries(Object.entries(restart).reverse()) as unknown as typeof restart;

    expect(specHash(turned)).toBe(specHash(restart));
    expect(specHash({ ...restart, timeoutSeconds: 6 })).not.toBe(specHash(restart));
  });
});
