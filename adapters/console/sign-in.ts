/**
 * Whose request it is: the token out of the link once, then the cookie or the bearer. Wrong tokens are audited, and
 * too many of them are not looked at any more.
 */
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context } from 'hono';
import type { AuditLog } from '../../src/core/ports.ts';
import { failure } from './failure.ts';
import { bearerOf, type Guard, openByLink, type SignedIn } from './guard.ts';
import type { Tries } from './tries.ts';

/** What was found out about a request, for the handlers behind it. */
export type Env = { Variables: { who: SignedIn } };

export interface SignInOptions {
  readonly guard: Guard;
  readonly audit: Pick<AuditLog, 'record'>;
  readonly tries: Tries;
  /** Notes that somebody was here. */
  readonly used: (name: string) => void;
}

/** The answer where it ends here, else the handlers behind run with `who` set. */
export async function session(
  c: Context<Env>,
  options: SignInOptions,
  next: () => Promise<void>,
): Promise<Response | undefined> {
  const { guard } = options;
  const atPage = isPagePath(c.req.path);
  const byLink = c.req.method === 'GET' && atPage ? c.req.query('token') : undefined;
  const bearer = bearerOf(c.req.header('authorization'));
  for (const token of [byLink, bearer]) {
    const refused = token === undefined ? undefined : await checkToken(c, options, token);
    if (refused) return refused;
  }
  const account = byLink === undefined ? undefined : guard.accountOf(byLink);
  if (account) {
    options.used(account.name);
    c.header('Set-Cookie', guard.sessionCookie(account, c.req.header('host')));
    // As it was sent: decoded it could hold what no header may.
    return c.redirect(new URL(c.req.url).pathname, 303);
  }
  const admitted = guard.admit({
    method: c.req.method,
    host: c.req.header('host'),
    origin: c.req.header('origin'),
    fetchSite: atPage ? undefined : c.req.header('sec-fetch-site'),
    authorization: c.req.header('authorization'),
    cookie: c.req.header('cookie'),
  });
  if ('who' in admitted) {
    options.used(admitted.who.name);
    c.set('who', admitted.who);
    await next();
    return undefined;
  }
  const { refused } = admitted;
  if (refused.status === 401 && atPage) return c.html(lockedPage, 401);
  return failure(c, refused.status, refused.status === 401 ? 'not-signed-in' : 'origin', refused.message);
}

/** Nothing when it may be looked at any further; a wrong one is audited and counted. */
async function checkToken(
  c: Context<Env>,
  { guard, tries, audit }: SignInOptions,
  token: string,
): Promise<Response | undefined> {
  const address = getConnInfo(c).remote.address ?? '';
  const wait = tries.waitFor(address);
  if (wait !== undefined) {
    c.header('Retry-After', String(wait));
    return failure(c, 429, 'too-many-tries', `Too many wrong tokens from here; wait ${wait} s.`);
  }
  if (!guard.accountOf(token) && tries.wrong(address, token))
    await audit.record({ kind: 'request.refused', data: { what: 'console token', from: address } });
  return undefined;
}

function isPagePath(path: string): boolean {
  return path === '/' || /^\/t\/[^/]+$/.test(path);
}

const lockedPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>opsagent: not signed in</title>
<h1>This browser is not signed in</h1>
<p>${openByLink}</p>
<p>It ends in <code>?token=…</code> and is needed once in each browser.</p>
<p><a href="/">Signed in already? Open the console.</a></p></html>
`;
