/**
 * The form of one entry of hosts.yaml, key by key.
 */
import { z } from 'zod';
import { hasHidden } from '../core/visible.ts';
import { proxyFrom } from './proxies.ts';
import { say } from './yaml.ts';

const id = (what: string) =>
  z.string().superRefine((text, context) => {
    if (/^[a-z0-9][a-z0-9._-]{0,62}$/.test(text)) return;
    const foreign = Array.from(text).find((character) => !/^[!-~]$/.test(character));
    const remedy = 'use lower-case letters a to z, digits, ".", "_" and "-"';
    const message =
      foreign === undefined
        ? say(`is not ${what}`, remedy)
        : say(`holds ${named(foreign)}; names are ASCII, so that no two look alike`, `retype it: ${remedy}`);
    context.addIssue({ code: 'custom', message });
  });

/** A character by its code point; shown as well where it can be seen. */
function named(character: string): string {
  const point = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return /^[\p{L}\p{N}\p{P}\p{S}]$/u.test(character) && !hasHidden(character)
    ? `"${character}" (U+${point})`
    : `U+${point}, which cannot be seen`;
}

const fileText = z
  .string()
  .refine(
    (text) => /^(?:\/|~\/)./.test(text) && !hasHidden(text),
    say('is not a full path', 'begin it with "/" or "~/"'),
  );

/** One entry of hosts.yaml as it is written. */
export type HostEntry = z.infer<typeof HostEntry>;

const HostEntry = z.strictObject({
  name: id('a host name'),
  address: z.string().regex(addressForm(), say('is not an address', 'write a host name or an IP address')),
  port: z.int().min(1).max(65_535).optional(),
  user: z.string().regex(userForm(), say('is not a login name', 'write the user to log in as')),
  auth: z.literal('none').optional(),
  key: fileText.optional(),
  passphrase_env: z
    .string()
    .regex(
      /^[A-Z][A-Z0-9_]*_PASSPHRASE$/,
      say('is not the name of a passphrase variable', 'end it with _PASSPHRASE'),
    )
    .optional(),
  host_key: z
    .string()
    .regex(
      /^(?:SHA256:[A-Za-z0-9+/]{43}|tailnet)$/,
      say(
        'is not a host key fingerprint',
        'write it as "opsagent hosts trust" or ssh-keygen -lf prints it: SHA256:…; or tailnet',
      ),
    )
    .optional(),
  known_hosts: fileText.optional(),
  jump: id('a host name').optional(),
  proxy: z
    .string()
    .refine(
      (text) => text === 'none' || proxyFrom(text) !== undefined,
      say('is not a SOCKS5 proxy', 'write socks5://host:port (an IPv6 address in brackets), or none'),
    )
    .optional(),
  gate: z.boolean().optional(),
  path: z
    .string()
    .regex(/^\/[^:\s]*(?::\/[^:\s]*)*$/, say('is not a PATH', 'list absolute folders, separated by ":"'))
    .refine((text) => !hasHidden(text), say('holds an invisible character', 'retype it'))
    .optional(),
  tags: z.array(id('a tag')).max(50).optional(),
  tier: id('a tier').optional(),
});

export const Inventory = z.strictObject({ hosts: z.array(HostEntry).nullable() });

/** The form of a host name or IP address; also for REMOTE_HOST. */
export function addressForm(): RegExp {
  return /^[A-Za-z0-9:](?:[A-Za-z0-9._:-]{0,252}[A-Za-z0-9])?$/;
}

/** The form of a login name; also for REMOTE_USER. */
export function userForm(): RegExp {
  return /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;
}
