/**
 * A small catalogue with commands of every risk, one host and a policy: three people who may ask, two who approve.
 */
import type { CommandSpec, Host } from '../../src/core/command.ts';
import type { Policy } from '../../src/core/policy.ts';
import { parseTemplate } from '../../src/core/template.ts';

export function spec(name: string, text: string, over: Partial<CommandSpec> = {}): CommandSpec {
  const params = over.params ?? [];
  const { template } = parseTemplate(
    text,
    params.map((p) => p.name),
  );
  return {
    name,
    description: `What ${name} does`,
    category: 'system',
    template,
    params,
    risk: 'read',
    hosts: [],
    timeoutSeconds: 5,
    maxOutputBytes: 10_000,
    examples: [],
    ...over,
  };
}

export const unitParam = {
  name: 'service_name',
  description: 'The unit',
  type: { kind: 'unit' },
  optional: false,
} as const;

export const catalogue: readonly CommandSpec[] = [
  spec('hostname', 'hostname'),
  spec('uptime', 'uptime'),
  spec('disk_usage', 'df -h', { category: 'disk' }),
  spec('memory_usage', 'free -m', { category: 'memory' }),
  spec('service_status', 'systemctl status {service_name}', { category: 'service', params: [unitParam] }),
  spec('restart_service', 'systemctl restart {service_name}', {
    category: 'service',
    params: [unitParam],
    risk: 'change',
  }),
  spec('reboot', 'reboot', { risk: 'critical' }),
  spec('only_web', 'true', { hosts: ['@web'] }),
];

export const host: Host = {
  name: 'local',
  address: '127.0.0.1',
  port: 2222,
  user: 'ops',
  hostKey: { kind: 'fingerprint', sha256: 'SHA256:first' },
  tags: ['db'],
  tier: 'dev',
};

export const policy: Policy = {
  people: [
    { name: 'Owner', accounts: ['console:owner'] },
    { name: 'Alice', accounts: ['console:alice', 'slack:U1'] },
    { name: 'Bob', accounts: ['console:bob'] },
  ],
  groups: [],
  ask: [
    { name: 'all', who: ['Owner', 'Alice', 'Bob'], risk: ['read', 'change', 'critical'], hosts: ['all'] },
    { name: 'others', who: ['mcp'], risk: ['read'], hosts: ['all'] },
  ],
  approve: [
    {
      name: 'changes',
      risk: ['change', 'critical'],
      hosts: ['all'],
      who: ['Alice', 'Bob'],
      people: 1,
      requesterMay: false,
      waitSeconds: 600,
    },
  ],
  incidentChannels: [],
};
