/**
 * Redaction: secrets we hold and secrets of known shape are gone, what only looks like one stays.
 * The samples are put together at run time, so that no scanner takes this file for a leak.
 */
import { createHash, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedactor } from '../../src/core/redact.ts';
import { secretShapes } from '../../src/core/secret-shapes.ts';

const redact = createRedactor({ exact: [] });
const fill = (alphabet: string, length: number) =>
  Array.from({ length }, (_, i) => alphabet[(i * 7 + 3) % alphabet.length]).join('');
const an = (length: number) => fill('aB3dE5gH7jK9mN1pQrStUvWxYz0246', length);
const hex = (length: number) => fill('0123456789abcdef', length);
const upper = (length: number) => fill('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', length);

/** kind → a text with the secret marked off by « ». */
const samples: readonly (readonly [string, string])[] = [
  ['aws-key-id', `id «AKIA${upper(16)}» here`],
  ['password', `aws_secret_access_key = «${an(40)}»`],
  ['password', `{"SecretAccessKey": "«${an(40)}»"}`],
  ['github-token', `«ghp_${an(36)}»`],
  ['github-token', `«github_pat_${an(82)}»`],
  ['github-token', `https://«gho_${an(36)}»@github.com/a/b`],
  ['gitlab-token', `«glpat-${an(20)}»`],
  ['slack-token', `«xoxb-${an(12)}-${an(24)}»`],
  ['slack-token', `«xapp-1-${an(11)}-${an(60)}»`],
  ['slack-webhook', `https://«hooks.slack.com/services/T${upper(9)}/B${upper(9)}/${an(24)}»`],
  ['discord-token', `«M${an(25)}.${an(6)}.${an(38)}»`],
  ['discord-webhook', `https://«discord.com/api/webhooks/1234567890123/${an(60)}»`],
  ['anthropic-key', `«sk-ant-api03-${an(93)}AA»`],
  ['openai-key', `«sk-proj-${an(100)}»`],
  ['openai-key', `«sk-${an(48)}»`],
  ['stripe-key', `«sk_live_${an(24)}»`],
  ['google-key', `«AIza${an(35)}»`],
  ['npm-token', `//registry/:_x ... «npm_${an(36)}»`],
  ['pypi-token', `«pypi-AgE${an(80)}»`],
  ['sendgrid-key', `«SG.${an(22)}.${an(43)}»`],
  ['twilio-key', `«SK${hex(32)}»`],
  ['digitalocean-token', `«dop_v1_${hex(64)}»`],
  ['tailscale-key', `«tskey-auth-${an(12)}CNTRL-${an(32)}»`],
  ['telegram-token', `bot «1234567890:${an(35)}»`],
  ['vault-token', `«hvs.${an(90)}»`],
  ['grafana-token', `«glsa_${an(32)}_${hex(8)}»`],
  ['docker-token', `«dckr_pat_${an(27)}»`],
  ['hugging-face-token', `«hf_${an(34)}»`],
  ['shopify-token', `«shpat_${hex(32)}»`],
  ['age-key', `«AGE-SECRET-KEY-1${upper(58)}»`],
  ['jwt', `«eyJ${an(20)}.eyJ${an(40)}.${an(43)}»`],
  ['password-hash', `root:«$6$${an(16)}$${an(86)}»:19000`],
  [
    'private-key',
    `a\n«-----BEGIN OPENSSH PRIVATE KEY-----\n${an(70)}\n${an(30)}\n-----END OPENSSH PRIVATE KEY-----»\nb`,
  ],
  ['private-key', `a\n«-----BEGIN PRIVATE KEY-----\n${an(64)}\n${an(64)}\n»`],
  ['private-key', `a, b\n«${an(64)}\n${an(64)}\n-----END PRIVATE KEY-----»\nb`],
  ['authorization', `Authorization: Basic «${an(20)}»`],
  ['authorization', `{"authorization":"Bearer «${an(20)}»"}`],
  ['bearer', `curl -H 'X: Bearer «${an(32)}»'`],
  ['cookie', 'Set-Cookie: «session=abc; Path=/»'],
  ['password', 'DB_PASSWORD=«hunter2»'],
  ['password', "export API_KEY='«hun ter2»'"],
  ['password', 'SOME_SERVICE_KEY=«abcdef123»'],
  ['password', 'password: «hunter2»'],
  ['password', '"password": "«hun ter\'2»",'],
  ['password', 'client_secret=«hunter2»&x=1'],
  ['password', 'mysqld --password «hunter2»'],
  ['password', 'tool --token=«hunter2» run'],
  ['password', 'mysql -u root -p«hunter2» db'],
  ['password', 'sshpass -p «hunter2» ssh host'],
  ['password', 'redis-cli -h db -a «hunter2» ping'],
  ['password', 'curl -s -u admin:«hunter2» https://x'],
  ['password', "ALTER USER a IDENTIFIED BY '«hunter2»'"],
  ['password', 'machine a.example login me password «hunter2»'],
  ['url-password', 'redis://:«hunter2»@db:6379'],
  ['url-password', 'postgres://me:«hun@ter2»@db/x'],
  ['azure-key', `;AccountKey=«${an(60)}==»;End`],
];

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
