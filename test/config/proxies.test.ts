/**
 * Which hosts go through the SOCKS5 proxy that a variable names.
 */
import { describe, expect, it } from 'vitest';
import { settingsFor } from '../../src/config/env.ts';
import { problemLine } from '../../src/config/problem.ts';
import { defaultProxy } from '../../src/config/proxies.ts';

const proxied = (env: NodeJS.ProcessEnv) => {
  const settings = settingsFor('whitelist', env, '/');
  const proxyFor = defaultProxy(settings);
  const of = (address: string) => {
    const proxy = proxyFor(address);
    return proxy && `${proxy.host}:${proxy.port}`;
  };
  return { of, problems: settings.problems.map(problemLine) };
};

describe('TS_SOCKS5_SERVER', () => {
  it.each(['100.64.0.1', '100.127.255.254', 'fd7a:115c:a1e0::7', 'web-1.tail1234.ts.net', 'WEB.Tail.TS.NET'])(
    'is for %s',
    (address) => {
      expect(proxied({ TS_SOCKS5_SERVER: 'localhost:1055' }).of(address)).toBe('localhost:1055');
    },
  );

  it.each(['100.63.255.255', '100.128.0.1', 'fd7a:115c:a1e1::1', 'web-1', 'ts.net', 'ts.net.example.org'])(
    'is not for %s',
    (address) => {
      expect(proxied({ TS_SOCKS5_SERVER: 'localhost:1055' }).of(address)).toBeUndefined();
    },
  );

  it('takes the forms that tailscaled takes', () => {
    for (const text of [':1055', '127.0.0.1:1055', 'socks5://127.0.0.1:1055'])
      expect(proxied({ TS_SOCKS5_SERVER: text }).of('100.64.0.1')).toBe('127.0.0.1:1055');
    expect(proxied({ TS_SOCKS5_SERVER: '[::1]:1055' }).of('100.64.0.1')).toBe('::1:1055');
  });

  it('is a problem when it is no address', () => {
    expect(proxied({ TS_SOCKS5_SERVER: 'localhost' }).problems).toEqual([
      'TS_SOCKS5_SERVER — is not host:port — write it as tailscaled has it: localhost:1055',
    ]);
  });
});

describe('ALL_PROXY', () => {
  it('is for every host but this machine, after TS_SOCKS5_SERVER', () => {
    const { of } = proxied({ ALL_PROXY: 'socks5h://p.lan:1080', TS_SOCKS5_SERVER: ':1055' });

    expect(of('web-1')).toBe('p.lan:1080');
    expect(of('100.64.0.1')).toBe('127.0.0.1:1055');
    expect(['localhost', '127.0.0.1', '127.9.9.9', '::1'].map(of)).toEqual(Array(4).fill(undefined));
  });

  it('is passed over when it is a proxy of another kind', () => {
    const { of, problems } = proxied({ ALL_PROXY: 'http://p.lan:3128' });

    expect([of('web-1'), problems]).toEqual([undefined, []]);
  });

  it('is a problem when it cannot be used, and a password in it is not repeated', () => {
    expect(proxied({ ALL_PROXY: 'socks5://p.lan' }).problems[0]).toContain('is not socks5://host:port');
    const [problem] = proxied({ ALL_PROXY: 'socks5://me:hunter22@p.lan:1080' }).problems;
    expect(problem).toContain('names a login');
    expect(problem).not.toContain('hunter22');
  });
});

describe('NO_PROXY', () => {
  const { of } = proxied({
    ALL_PROXY: 'socks5://p:1',
    TS_SOCKS5_SERVER: ':2',
    NO_PROXY: 'lan, .example.org,*.corp, 10.0.0.0/8,100.64.0.9,fd00::/8, 10.0.0.0/99',
  });

  it.each(['lan', 'db.lan', 'example.org', 'a.Example.org', 'x.corp', '10.1.2.3', '100.64.0.9', 'fd00::1'])(
    'keeps %s out',
    (address) => {
      expect(of(address)).toBeUndefined();
    },
  );

  it.each(['wlan', 'notexample.org', '11.0.0.1', '100.64.0.8', 'fe80::1', '10.example.net'])(
    'does not keep %s out',
    (address) => {
      expect(of(address)).toBeDefined();
    },
  );

  it('keeps everything out with *', () => {
    expect(proxied({ ALL_PROXY: 'socks5://p:1', NO_PROXY: '*' }).of('web-1')).toBeUndefined();
  });
});
