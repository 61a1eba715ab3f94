/**
 * The published shapes of secrets: what each kind looks like in text, and which part of a match is the secret.
 * Every pattern is linear in time: a run of characters is entered once, at its start, or has a bounded length.
 */

/** What stands in a secret's place. */
export const marker = '\\[redacted:[a-z0-9-]+\\]';

/** `pattern` is global; what its group `before` matches stays, all else becomes `[redacted:kind]`. */
export interface SecretShape {
  readonly kind: string;
  readonly pattern: RegExp;
}

// No shape may begin inside a marker; only the URL's could, and it says so itself.
const shape = (kind: string, source: string, flags: string): SecretShape => ({
  kind,
  pattern: new RegExp(source, `g${flags}`),
});

/** A token that begins with a known prefix and does not continue a longer word. */
const token = (kind: string, body: string) => shape(kind, `(?<![A-Za-z0-9])(?:${body})`, '');

/** A value that stands behind words that name it; `flags` may add `i`. */
const behind = (kind: string, before: string, value: string, flags = '') =>
  shape(kind, `(?<before>${before})(?!\\[redacted:)(?:${value})`, flags);

const run = '[A-Za-z0-9_-]';
/** Quoted up to its quote or line end, else up to white space. */
const value = `\\\\{0,3}"[^"\\n]+|\\\\{0,3}'[^'\\n]+|[^\\s"'\\\\&][^\\s"'&]*`;
/** Up to 200 characters of one simple command. */
const options = '(?:[^\\n|;&]{0,200}\\s)?';

const vendorTokens: readonly SecretShape[] = [
  token('aws-key-id', '(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])'),
  token('github-token', 'gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}'),
  token(
    'gitlab-token',
    `gl(?:pat|ptt|rt|dt|oas|cbt|ft|imt|agent|soat|wt)-[A-Za-z0-9_.-]{20,300}|GR1348941${run}{20,50}`,
  ),
  token('slack-token', '(?:xox[abcdeoprs]|xoxe\\.xox[bp]|xapp)-[A-Za-z0-9-]{10,400}'),
  token('slack-webhook', 'hooks\\.slack\\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,200}'),
  token('discord-webhook', 'discord(?:app)?\\.com/api/webhooks/\\d{10,25}/[A-Za-z0-9_-]{20,200}'),
  token('discord-token', `(?<![_-])[MNO]${run}{22,27}\\.${run}{6}\\.${run}{27,60}`),
  token('anthropic-key', `sk-ant-${run}{16,300}`),
  token('openai-key', `sk-(?:proj|svcacct|admin|None)-${run}{20,300}|sk-[A-Za-z0-9]{20,100}`),
  token('stripe-key', '(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,250}|whsec_[A-Za-z0-9+/=]{24,100}'),
  token('google-key', `AIza${run}{35}|ya29\\.[A-Za-z0-9_.-]{20,2000}|GOCSPX-${run}{20,60}`),
  token('npm-token', 'npm_[A-Za-z0-9]{36}'),
  token('pypi-token', `pypi-AgE${run}{50,300}`),
  token('rubygems-token', 'rubygems_[0-9a-f]{48}'),
  token('crates-token', 'cio[A-Za-z0-9]{32}(?![A-Za-z0-9])'),
  token('sendgrid-key', `SG\\.${run}{16,32}\\.${run}{16,64}`),
  token('twilio-key', 'SK[0-9a-f]{32}(?![A-Za-z0-9])'),
  token('mailgun-key', 'key-[0-9a-f]{32}(?![A-Za-z0-9])'),
  token('mailchimp-key', '[0-9a-f]{32}-us\\d{1,2}(?![A-Za-z0-9])'),
  token('digitalocean-token', 'do[opr]_v1_[0-9a-f]{64}'),
  token('tailscale-key', 'tskey-(?:[a-z]+-)?[A-Za-z0-9-]{10,100}'),
  token('telegram-token', `\\d{8,10}:[A-Za-z0-9_-]{35}(?!${run})`),
  token('vault-token', `hv[sbr]\\.${run}{24,300}|s\\.[A-Za-z0-9]{24}(?![A-Za-z0-9.])`),
  token('terraform-token', `[A-Za-z0-9]{14}\\.atlasv1\\.${run}{60,80}`),
  token('databricks-token', 'dapi[0-9a-f]{32}(?:-\\d)?'),
  token('grafana-token', 'glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/=]{32,400}'),
  token('new-relic-key', 'NRAK-[A-Z0-9]{27}|NRII-[A-Za-z0-9_-]{32}'),
  token('shopify-token', 'shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}'),
  token('linear-key', 'lin_(?:api|oauth)_[A-Za-z0-9]{32,64}'),
  token('notion-token', 'ntn_[A-Za-z0-9]{40,60}|secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])'),
  token('heroku-key', `HRKU-${run}{36,100}`),
  token('docker-token', `dckr_(?:pat|oat)_${run}{24,60}`),
  token('hugging-face-token', 'hf_[A-Za-z0-9]{30,50}'),
  token('sentry-token', 'sntry[su]_[A-Za-z0-9+/=_-]{40,400}'),
  token('square-token', `sq0(?:atp|csp|idp)-${run}{22,60}`),
  token('dynatrace-token', 'dt0[a-z]\\d{2}\\.[A-Z0-9]{24}\\.[A-Z0-9]{64}'),
  token('doppler-token', 'dp\\.(?:pt|st|ct|sa|scim|audit)\\.[A-Za-z0-9._-]{40,120}'),
  token('pulumi-token', 'pul-[0-9a-f]{40}'),
  token('fly-token', 'fm[12][ar]?_[A-Za-z0-9+/=_-]{40,2000}'),
  token('postman-key', 'PMAK-[0-9a-f]{24}-[0-9a-f]{34}'),
  token('airtable-token', 'pat[A-Za-z0-9]{14}\\.[0-9a-f]{64}'),
  token('supabase-token', 'sb[ps]_[A-Za-z0-9_]{40,60}'),
  token('figma-token', `figd_${run}{30,80}`),
  token('atlassian-token', 'ATATT3[A-Za-z0-9_=-]{60,400}'),
  token('age-key', 'AGE-SECRET-KEY-1[A-Z0-9]{50,70}'),
  token('jwt', `(?<![_-])eyJ${run}{8,}\\.eyJ${run}{8,}\\.${run}*`),
  shape('password-hash', '\\$(?:[1567]|2[abxy]?|y|gy|argon2(?:id|i|d))\\$[./A-Za-z0-9$=,+]{20,200}', ''),
];

const words =
  '(?:(?<!NO)passw(?:or)?d|passphrase|pwd|secret(?:[_-]?(?:access)?[_-]?key)?|(?<!public[_-]?)(?:api|access|private|account|signing|encryption|master|auth)[_-]?key|token|credentials?|authtoken|_auth)';
/** Words that stand where a secret could and are none, as in nsswitch.conf, sudoers or JSON. */
const none = '(?!(?:null|none|true|false|undefined|files|compat|systemd|required|ALL)\\b)';

const named: readonly SecretShape[] = [
  behind('azure-key', '\\b(?:AccountKey|SharedAccessKey)=', '[A-Za-z0-9+/=]{20,}'),
  behind(
    'authorization',
    `\\b(?:proxy-)?authorization\\\\{0,3}["']?[ \\t]{0,8}[:=][ \\t]{0,8}\\\\{0,3}["']?(?![A-Za-z0-9-]{0,20}[ \\t]{0,4}\\[redacted:)(?:[A-Za-z0-9-]{1,20}[ \\t]{1,4})?`,
    `[^\\s"'\\\\]+`,
    'i',
  ),
  behind('bearer', '\\bBearer[ \\t]{1,4}', `[A-Za-z0-9._~+/=-]{16,}`),
  behind('cookie', '\\b(?:set-)?cookie:[ \\t]{0,8}', `[^\\s][^\\n"']*`, 'i'),
  behind(
    'password',
    `(?:${words}|(?<=[A-Z0-9])_KEY)\\\\{0,3}["']?[ \\t]{0,8}[:=][ \\t]{0,8}(?![=>])${none}(?!SHA256:|ssh-|sha\\d)`,
    value,
    'i',
  ),
  behind('password', `--?(?:${words}|pass)[ \\t]{1,4}(?!-)`, value, 'i'),
  behind('password', '\\b(?:requirepass|masterauth|IDENTIFIED BY)[ \\t]{1,4}', value, 'i'),
  behind(
    'password',
    '\\bmachine[ \\t]{1,4}\\S{1,255}\\s{1,8}login[ \\t]{1,4}\\S{1,255}\\s{1,8}password[ \\t]{1,4}',
    '\\S+',
  ),
  behind('password', `\\bmysql(?:dump|admin|import)?\\s${options}-p`, `(?=\\S)(?:${value})`),
  behind('password', '\\bsshpass\\s{1,4}-p\\s{0,4}', value),
  behind('password', `\\bredis-cli\\s${options}-a\\s{1,4}`, value),
  behind('password', `\\bcurl\\s${options}(?:-u\\s{0,4}|--user[ =])["']?[^\\s:"']{1,255}:`, `[^\\s"']+`),
  behind('url-password', '(?<=://)(?!\\[redacted:)[^\\s/:@?#"\'<>]*:', '[^\\s/"\'<>]+(?=@)'),
  behind('url-signature', '[?&](?:sig|X-Amz-Signature|X-Amz-Credential|X-Goog-Signature)=', '[^\\s&"\']+'),
  behind(
    'private-key',
    '\\bPrivate-Lines:[ \\t]{0,4}\\d{1,4}\\s{1,4}',
    '[A-Za-z0-9+/=\\s]+(?=\\nPrivate-MAC|$)',
  ),
];

/** Named values go last, so that a token with a shape of its own is called by its kind. */
export const secretShapes: readonly SecretShape[] = [...vendorTokens, ...named];
