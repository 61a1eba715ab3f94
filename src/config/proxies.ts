/**
 * SOCKS5 proxies: how one is written, and which hosts go through the one that a variable names.
 */
import { BlockList, isIP } from 'node:net';
import type { Settings } from './env.ts';
import { wrong } from './services.ts';

export interface Proxy {
  readonly host: string;
  readonly port: number;
}

/** The proxy for a host that names none of its own; undefined: straight to it. */
export type DefaultProxy = (address: string) => Proxy | undefined;

/** `socks5://host:port`, an IPv6 address in brackets; `socks5h` is the same here, names always go to the proxy. */
export function proxyFrom(text: string): Proxy | undefined {
  const [, bracketed, plain, digits] =
    /^socks5h?:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)):(\d{1,5})\/?$/.exec(
      text,
    ) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined;
  return { host, port };
}

/**
 * TS_SOCKS5_SERVER for addresses of a tailnet, else ALL_PROXY for every one; never for this machine itself nor for
 * what NO_PROXY names. An ALL_PROXY of another kind (http) is not for SSH and is passed over.
 */
export function defaultProxy(settings: Settings): DefaultProxy {
  const tailnet = tailnetProxy(settings);
  const all = allProxy(settings);
  const direct = notProxied(settings.get('NO_PROXY') ?? '');
  return (address) => {
    const asked = address.toLowerCase();
    if (isLoopback(asked) || direct(asked)) return undefined;
    return (isTailnet(asked) ? tailnet : undefined) ?? all;
  };
}

/** As tailscaled takes it: `localhost:1055` or `:1055`. */
function tailnetProxy(settings: Settings): Proxy | undefined {
  const text = settings.get('TS_SOCKS5_SERVER');
  if (text === undefined) return undefined;
  const bare = text.replace(/^socks5h?:\/\//, '');
  const proxy = proxyFrom(`socks5://${bare.startsWith(':') ? `127.0.0.1${bare}` : bare}`);
  if (!proxy)
    wrong(settings, 'TS_SOCKS5_SERVER', 'is not host:port', 'write it as tailscaled has it: localhost:1055');
  return proxy;
}

function allProxy(settings: Settings): Proxy | undefined {
  const text = settings.get('ALL_PROXY');
  if (text === undefined || !/^socks5h?:/.test(text)) return undefined;
  const proxy = proxyFrom(text);
  if (!proxy) {
    const what = text.includes('@') ? 'names a login, which is not used here' : 'is not socks5://host:port';
    wrong(settings, 'ALL_PROXY', what, 'write socks5://host:port, an IPv6 address in brackets');
  }
  return proxy;
}

function isTailnet(address: string): boolean {
  if (address.endsWith('.ts.net')) return true;
  return inList(TAILNET, address);
}

/** The ranges that tailnet addresses are from. */
const TAILNET = new BlockList();
TAILNET.addSubnet('100.64.0.0', 10, 'ipv4');
TAILNET.addSubnet('fd7a:115c:a1e0::', 48, 'ipv6');

function isLoopback(address: string): boolean {
  return address === 'localhost' || inList(LOOPBACK, address);
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

function inList(list: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
}

/** NO_PROXY: `*`, names with all below them, addresses and CIDR ranges, separated by commas. */
function notProxied(text: string): (address: string) => boolean {
  const entries = text
    .toLowerCase()
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
  const ranges = new BlockList();
  for (const entry of entries) {
    const [network = '', bits] = entry.split('/');
    const version = isIP(network);
    const size = bits === undefined ? (version === 6 ? 128 : 32) : Number(bits);
    if (version === 0 || !Number.isInteger(size) || size < 0 || size > (version === 6 ? 128 : 32)) continue;
    ranges.addSubnet(network, size, version === 6 ? 'ipv6' : 'ipv4');
  }
  const names = entries.map((entry) => entry.replace(/^\*?\./, ''));
  return (address) =>
    names.some((name) => name === '*' || name === address || address.endsWith(`.${name}`)) ||
    inList(ranges, address);
}
