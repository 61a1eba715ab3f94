/**
 * Redaction: secrets we hold and secrets of known shape are gone, what only looks like one stays.
 */
import { createHash, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedactor } from '../../src/core/redact.ts';
import { secretShapes } from '../../src/core/secret-shapes.ts';
import { an, samples } from './redact-samples.ts';

const redact = createRedactor({ exact: [] });
describe('createRedactor', () => {
  it.each(samples)('%s: %s', (kind, marked) => {
    const secret = /«([\s\S]*)»/.exec(marked)?.[1] ?? '';
    const text = marked.replace(/[«»]/g, '');

    const clean = redact(text);

    expect(clean).toContain(`[redacted:${kind}]`);
    expect(clean).not.toContain(secret.trim().slice(0, 12));
    expect(clean).not.toContain(secret.trim().slice(-6));
  });

  it('knows at least forty shapes', () => {
    expect(secretShapes.length).toBeGreaterThanOrEqual(40);
  });

  it.each([
    createHash('sha1').update('commit').digest('hex'),
    `sha256:${createHash('sha256').update('image').digest('hex')}`,
    createHash('sha256').update('container').digest('hex').slice(0, 12),
    randomUUID(),
    `SHA256:${createHash('sha256').update('key').digest('base64').replace('=', '')} root@host (ED25519)`,
    `host_key=SHA256:${an(43)}`,
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFzZGZhc2RmYXNkZmFzZGZhc2RmYXNkZmFzZGZhc2Rm me@host',
    'SSH_KEY_PATH=/home/me/.ssh',
    'alice ALL=(ALL) NOPASSWD: ALL',
    'passwd:         files systemd',
    'Failed password for root from 203.0.113.7 port 22 ssh2',
    'Enter password:',
    'tokens: 1500, max_tokens: 4096',
    'if token == None:',
    'http://localhost:8080/a@b',
    '2026-11-23T10:00:00Z 12345678:process started',
    'com.example.service.SomeVeryLongClassNameForTesting',
    'docker run -u 1000:1000 image',
    'PING 10.0.0.1 (10.0.0.1): 56 data bytes',
  ])('leaves %s alone', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('finds exactly the secrets it holds, in every form they are written in', () => {
    const secret = 'p@ss w/ord"x';
    const hold = createRedactor({ exact: [secret, 'short', 'redacted'] });
    const forms = [
      secret,
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
      encodeURIComponent(secret),
      JSON.stringify(secret),
    ];

    const clean = hold(forms.join(' | '));

    for (const form of forms) expect(clean).not.toContain(form.replace(/=+$/, ''));
    expect(clean.match(/\[redacted:secret\]/g)).toHaveLength(5);
    expect(hold('in short')).toBe('in short');
  });

  it('changes nothing when applied twice', () => {
    const piece = fc.oneof(
      fc.constantFrom(...samples.map(([, marked]) => marked.replace(/[«»]/g, ''))),
      fc.constantFrom(
        'password',
        '=',
        ':',
        ' ',
        '"',
        "'",
        '[redacted:',
        ']',
        '://',
        '@',
        '\n',
        '-p',
        'Bearer ',
        '--token ',
        'redacted',
        'secret',
        '\\',
      ),
      fc.string({ maxLength: 5 }),
    );
    const hold = createRedactor({ exact: ['redacted', 'hunter2', 'password'] });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
        for (const clean of [redact, hold]) {
          const once = clean(pieces.join(''));

          expect(clean(once)).toBe(once);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    'a',
    'eyJ',
    'eyJaaaaaaaaa.',
    '-----BEGIN PRIVATE KEY-----"',
    '-----END PRIVATE KEY-----',
    'AAAA\n',
    'password=',
    'password="',
    '://a:',
    'mysql ',
    'mysql -x ',
    'curl -u ',
    'M.',
    'Authorization: ',
    '$1$a',
    'key-',
    '[redacted:',
    'machine a login b password ',
    'a line of an ordinary log 2026-11-23 GET /x?y=1 200\n',
  ])('takes linear time on a megabyte of %j', (unit) => {
    const cpuMs = (size: number) => {
      const text = unit.repeat(Math.ceil(size / unit.length));
      const before = process.cpuUsage();
      redact(text);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    };
    cpuMs(65_536);

    const quarter = cpuMs(262_144);

    // Four times the text; quadratic work would take sixteen times as long.
    expect(cpuMs(1_048_576)).toBeLessThan(quarter * 8 + 500);
  });
});
