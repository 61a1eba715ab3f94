/**
 * Who may speak to the console: the Host and Origin it answers to, the token once, then a session cookie.
 * Everything here is pure over header values, so that each rule can be tested by itself.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

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

export interface Guard {
  /** Is the request meant for us? Stops DNS rebinding: a name that is not ours is refused before anything else. */
  knowsHost(host: string | undefined): boolean;
  /** Undefined when the request may go on, else why not. */
  refusal(asked: Asked): Refused | undefined;
  isToken(candidate: string): boolean;
  /** The Set-Cookie value that stands for the token from now on; it survives a restart, the token is not in it. */
  sessionCookie(host: string | undefined): string;
}

export const openByLink = 'Open the console with the link that opsagent printed when it started.';

/** `origins` are further origins beyond loopback on `port`, e.g. `https://ops.example`. */
export function createGuard(options: {
  readonly token: string;
  readonly port: number;
  readonly origins: readonly string[];
}): Guard {
  const { token, port, origins } = options;
  const allowed = new Set([...loopbackOrigins(port), ...origins.map((o) => new URL(o).origin)]);
  const hosts = new Set([...allowed].map((o) => new URL(o).host));
  // A cookie is shared by all ports of a host, so its name tells two consoles on one machine apart.
  const cookieName = `opsagent_${port}`;
  const session = createHmac('sha256', token).update('opsagent console session 1').digest('hex');

  const isToken = (candidate: string) => sameText(candidate, token);
  const knowsHost = (host: string | undefined) => host !== undefined && hosts.has(host.toLowerCase());

  return {
    knowsHost,
    isToken,
    refusal(asked) {
      const bearer = /^Bearer (\S+)$/i.exec(asked.authorization ?? '')?.[1];
      const byToken = bearer !== undefined && isToken(bearer);
      const byCookie = cookieValues(asked.cookie, cookieName).some((value) => sameText(value, session));
      if (!byToken && !byCookie) return { status: 401, message: openByLink };

      if (asked.origin !== undefined && !allowed.has(asked.origin))
        return { status: 403, message: 'Requests from another origin are not answered.' };
      // Another port of the same machine counts as the same site to a browser, so "same-site" is not enough.
      if (asked.fetchSite !== undefined && !['same-origin', 'none'].includes(asked.fetchSite) && !byToken)
        return { status: 403, message: 'Requests from another site are not answered.' };
      if (!isReading(asked.method) && asked.origin === undefined && !byToken)
        return { status: 403, message: 'A change needs an Origin header, or the token as a bearer.' };
      return undefined;
    },
    sessionCookie(host) {
      const secure = [...allowed].some((o) => o.startsWith('https:') && new URL(o).host === host);
      return `${cookieName}=${session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000${secure ? '; Secure' : ''}`;
    },
  };
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
