/**
 * AUDIT_ANCHOR and its like: where the end of the audit log is told, and how often.
 */
import { isAbsolute, relative, resolve } from 'node:path';
import type { AnchorPlace, AnchorSettings } from '../core/anchor.ts';
import type { Settings } from './env.ts';
import { integer, wrong } from './services.ts';

const forms = 'file:/path, syslog:, syslog:/path/of/socket, syslog://host:514 or syslog+tcp://host:601';

/** Several places are separated by commas. A file must lie outside of `dataDir`, where the log itself is. */
export function anchorFrom(settings: Settings, dataDir: string): AnchorSettings {
  const texts = (settings.get('AUDIT_ANCHOR') ?? '').split(/[\s,]+/).filter((t) => t !== '');
  const places = texts.flatMap((text) => placeFrom(settings, text) ?? []);
  for (const place of places)
    if (place.kind === 'file' && !relative(dataDir, resolve(place.path)).startsWith('..'))
      wrong(
        settings,
        'AUDIT_ANCHOR',
        `${place.path} is in the data directory, next to the log itself`,
        'name a file that whoever can write the log cannot change',
      );
  const required = settings.get('AUDIT_ANCHOR_REQUIRED') ?? 'false';
  if (required !== 'true' && required !== 'false')
    wrong(settings, 'AUDIT_ANCHOR_REQUIRED', 'is neither true nor false', 'write true or false');
  if (required === 'true' && texts.length === 0)
    wrong(settings, 'AUDIT_ANCHOR_REQUIRED', 'is true and there is no AUDIT_ANCHOR', 'name a place there');
  return {
    places,
    every: integer(settings, 'AUDIT_ANCHOR_EVERY', 1, 1_000_000) ?? 100,
    required: required === 'true',
  };
}

function placeFrom(settings: Settings, text: string): AnchorPlace | undefined {
  const path = /^(?:file|syslog):(\/(?!\/).*)?$/.exec(text)?.[1];
  if (text === 'syslog:') return { kind: 'syslog', socket: '/dev/log' };
  if (path && isAbsolute(path))
    return text.startsWith('file:') ? { kind: 'file', path } : { kind: 'syslog', socket: path };
  const [, protocol, name = '', ports] =
    /^syslog(\+tcp)?:\/\/([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = Number(ports ?? (protocol ? 601 : 514));
  if (name !== '' && port >= 1 && port <= 65_535) {
    const host = name.replace(/^\[|\]$/g, '');
    return { kind: protocol ? 'syslog-tcp' : 'syslog-udp', host, port };
  }
  wrong(settings, 'AUDIT_ANCHOR', `"${text.slice(0, 100)}" is no place for anchors`, `write ${forms}`);
  return undefined;
}
