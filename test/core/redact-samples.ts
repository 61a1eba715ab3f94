/**
 * Made-up secrets of every shape, put together at run time, so that no scanner takes this file for a leak.
 */
const fill = (alphabet: string, length: number) =>
  Array.from({ length }, (_, i) => alphabet[(i * 7 + 3) % alphabet.length]).join('');
export const an = (length: number) => fill('aB3dE5gH7jK9mN1pQrStUvWxYz0246', length);
const hex = (length: number) => fill('0123456789abcdef', length);
const upper = (length: number) => fill('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', length);

/** kind → a text with the secret marked off by « ». */
export const samples: readonly (readonly [string, string])[] = [
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

/** The secret itself, and the text that it stands in. */
export function planted(marked: string): { readonly secret: string; readonly text: string } {
  return { secret: (/«([\s\S]*)»/.exec(marked)?.[1] ?? '').trim(), text: marked.replace(/[«»]/g, '') };
}
