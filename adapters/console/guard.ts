/**
 * Who may speak to the console: the Host and Origin it answers to, the token once, then a session cookie.
 * Everything here goes by header values alone, so that each rule can be tested by itself.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { Account, Accounts, EndedSessions } from '../../src/core/people.ts';
import type { Clock } from '../../src/core/ports.ts';

/** The headers that decide, as the request carried them. */
export interface Asked {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
}

export interface Refused {
  readonly status: 401 | 403;
  readonly message: string;
}

/** Whom a request is from; `session` names the browser's, a bearer has none. */
export interface SignedIn extends Account {
  readonly session?: { readonly id: string; readonly until: number };
}

export interface Guard {
  /** Is the request meant for us? Stops DNS rebinding: a name that is not ours is refused before anything else. */
  knowsHost(host: string | undefined): boolean;
  /** Who it is, when the request may go on, else why not. */
  admit(asked: Asked): { readonly who: SignedIn } | { readonly refused: Refused };
  /** Whose token this is. */
  accountOf(token: string): Account | undefined;
  /** False once the token was removed or replaced, or the session has ended. */
  isCurrent(who: SignedIn): boolean;
  /** The Set-Cookie value that stands for the token from now on; it survives a restart, the token is not in it. */
  sessionCookie(account: Account, host: string | undefined): string;
  /** Ends the session for good and returns the Set-Cookie value that takes it from the browser. */
  signOut(who: SignedIn): string;
}

export const openByLink =
  'Open the console with the link that opsagent printed when it started, or with your own from `opsagent people add`.';

const sessionMs = 30 * 86_400_000;

/** `origins` are further origins beyond loopback on `port`, e.g. `https://ops.example`. */
export function createGuard(options: {
  readonly accounts: Pick<Accounts, 'byToken' | 'byName'>;
  readonly endedSessions: EndedSessions;
  /** This instance's own secret: a cookie made with another one is worth nothing here. */
  readonly sessionKey: string;
  readonly port: number;
  readonly origins: readonly string[];
  readonly clock: Clock;
}): Guard {
  const { accounts, endedSessions, port, origins, clock } = options;
  const allowed = new Set([...loopbackOrigins(port), ...origins.map((o) => new URL(o).origin)]);
  const hosts = new Set([...allowed].map((o) => new URL(o).host));
  // A cookie is shared by all ports of a host, so its name tells two consoles on one machine apart.
  const cookieName = `opsagent_${port}`;

  const knowsHost = (host: string | undefined) => host !== undefined && hosts.has(host.toLowerCase());
  const seal = ({ name, key }: Account, id: string, until: number) =>
    createHmac('sha256', options.sessionKey)
      .update(JSON.stringify(['opsagent console session 2', port, name, key, id, until]))
      .digest('hex');

  function byCookie(header: string | undefined): SignedIn | undefined {
    for (const value of cookieValues(header, cookieName)) {
      const [name = '', id = '', until = '', mac = ''] = value.split('~');
      const account = accounts.byName(name);
      if (!account || !sameText(mac, seal(account, id, Number(until)))) continue;
      const who = { ...account, session: { id, until: Number(until) } };
      if (isCurrent(who)) return who;
    }
    return undefined;
  }

  function isCurrent({ name, key, session }: SignedIn): boolean {
    if (accounts.byName(name)?.key !== key) return false;
    return session === undefined || (session.until > clock.now() && !endedSessions.has(session.id));
  }

  const isSecure = (host: string | undefined) =>
    [...allowed].some((o) => o.startsWith('https:') && new URL(o).host === host);

  return {
    knowsHost,
    accountOf: accounts.byToken,
    isCurrent,
    admit(asked) {
      const bearer = bearerOf(asked.authorization);
      const byToken = bearer === undefined ? undefined : accounts.byToken(bearer);
      const who = byToken ?? byCookie(asked.cookie);
      if (!who) return { refused: { status: 401, message: openByLink } };

      const refuse = (message: string) => ({ refused: { status: 403, message } as const });
      if (asked.origin !== undefined && !allowed.has(asked.origin))
        return refuse('Requests from another origin are not answered.');
      // Another port of the same machine counts as the same site to a browser, so "same-site" is not enough.
      if (asked.fetchSite !== undefined && !['same-origin', 'none'].includes(asked.fetchSite) && !byToken)
        return refuse('Requests from another site are not answered.');
      if (!isReading(asked.method) && asked.origin === undefined && !byToken)
        return refuse('A change needs an Origin header, or the token as a bearer.');
      return { who };
    },
    sessionCookie(account, host) {
      const id = randomBytes(12).toString('hex');
      const until = clock.now() + sessionMs;
      const value = [account.name, id, until, seal(account, id, until)].join('~');
      const age = `Max-Age=${sessionMs / 1000}`;
      return `${cookieName}=${value}; Path=/; HttpOnly; SameSite=Strict; ${age}${isSecure(host) ? '; Secure' : ''}`;
    },
    signOut({ session }) {
      if (session) endedSessions.add(session.id, session.until);
      return `${cookieName}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`;
    },
  };
}

/** The token of an Authorization header. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
}

/** The strict headers that every answer carries; nothing inline, nothing framed, nothing from elsewhere. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
};

export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function loopbackOrigins(port: number): string[] {
  return ['127.0.0.1', 'localhost', '[::1]'].map((name) => new URL(`http://${name}:${port}`).origin);
}

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Compares digests, so that neither the time nor the length tells anything about the secret. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function cookieValues(header: string | undefined, name: string): string[] {
  return (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
}
