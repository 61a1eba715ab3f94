import { describe, expect, it } from 'vitest';
import { anchorFrom } from '../../src/config/anchor.ts';
import { settingsFor } from '../../src/config/env.ts';

const read = (env: NodeJS.ProcessEnv) => {
  const settings = settingsFor('whitelist', env, '/srv');
  return { anchor: anchorFrom(settings, '/srv/.opsagent'), problems: settings.problems };
};

describe('AUDIT_ANCHOR', () => {
  it('names nothing by default', () => {
    expect(read({})).toEqual({ anchor: { places: [], every: 100, required: false }, problems: [] });
  });

  it.each<[string, object]>([
    ['file:/mnt/anchors', { kind: 'file', path: '/mnt/anchors' }],
    ['file:/srv/.opsagent-anchors', { kind: 'file', path: '/srv/.opsagent-anchors' }],
    ['syslog:', { kind: 'syslog', socket: '/dev/log' }],
    ['syslog:/run/log', { kind: 'syslog', socket: '/run/log' }],
    ['syslog://log.example.net', { kind: 'syslog-udp', host: 'log.example.net', port: 514 }],
    ['syslog+tcp://[::1]:1601', { kind: 'syslog-tcp', host: '::1', port: 1601 }],
  ])('takes %s', (text, place) => {
    expect(read({ AUDIT_ANCHOR: text })).toMatchObject({ anchor: { places: [place] }, problems: [] });
  });

  it('takes several places', () => {
    const { anchor } = read({ AUDIT_ANCHOR: 'file:/a, syslog:', AUDIT_ANCHOR_EVERY: '5' });
    expect(anchor).toMatchObject({ places: [{ kind: 'file' }, { kind: 'syslog' }], every: 5 });
  });

  it.each([
    'file:',
    'file:anchors',
    'file:/srv/.opsagent/audit/anchors',
    '/mnt/anchors',
    'syslog://host:0',
    'syslog://host:99999',
    'syslog+tcp://',
    'http://host',
  ])('refuses %s', (text) => {
    expect(read({ AUDIT_ANCHOR: text }).problems).toMatchObject([{ where: 'AUDIT_ANCHOR' }]);
  });

  it('refuses to require what is nowhere, and a word that is neither true nor false', () => {
    expect(read({ AUDIT_ANCHOR_REQUIRED: 'true' }).problems).toHaveLength(1);
    expect(read({ AUDIT_ANCHOR_REQUIRED: 'yes' }).problems).toHaveLength(1);
    expect(read({ AUDIT_ANCHOR_EVERY: '0' }).problems).toMatchObject([{ where: 'AUDIT_ANCHOR_EVERY' }]);
  });
});
