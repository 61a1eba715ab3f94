/**
 * The configuration of the recorder's program: commands that leave a line for each run, hosts that are all the one
 * sshd, and a policy in which the owner asks and ada and grace approve.
 */
import type { Sshd } from '../twins/sshd.ts';

export function commands(file: string): string {
  const record = `echo $(date +%s%N) {tag} >> ${file}`;
  const tag = `    parameters: { tag: { type: text, pattern: '^[a-z0-9-]+$', description: Which one } }`;
  const one = (name: string, template: string, risk: string, ...more: string[]) =>
    [`  - name: ${name}`, `    description: For a test`, `    category: practice`]
      .concat(`    command_template: ${JSON.stringify(template)}`, `    risk: ${risk}`, ...more)
      .join('\n');
  return `${[
    'commands:',
    one('record', record, 'change', tag),
    one('record_slow', `sleep 0.15; ${record}; sleep 0.25`, 'change', tag, '    probe: look'),
    one('record_both', record, 'critical', tag),
    one('read_forever', 'exec sleep 987', 'read'),
    one('read_slow', `echo began >> ${file}; sleep 1.5; echo seen`, 'read'),
    one('look', `wc -l < ${file}`, 'read'),
  ].join('\n')}\n`;
}

/** Several names for the one machine, so that several changes can run at a time: a host has one after another. */
export const hostNames = Array.from({ length: 40 }, (_, i) => `web-${i + 1}`);

export function hosts({ port, user, login }: Sshd, knownHosts: string): string {
  const rest = `address: 127.0.0.1, port: ${port}, user: ${user}, key: ${login('dash').keyFile}, known_hosts: ${knownHosts}`;
  return `hosts:\n${hostNames.map((name) => `  - { name: ${name}, ${rest}, tier: test }\n`).join('')}`;
}

export function policy(wait: string): string {
  return `
people:
  owner: { console: owner }
  ada: { console: ada }
  grace: { console: grace }
admins: [owner]
ask:
  - { name: owner-asks, who: [owner], risk: [read, change, critical], hosts: [all] }
approve:
  - { name: one-of-two, risk: [change], hosts: [all], who: [ada, grace], people: 1, wait: ${wait} }
  - { name: both, risk: [critical], hosts: [all], who: [ada, grace], people: 2, wait: ${wait} }
`;
}
