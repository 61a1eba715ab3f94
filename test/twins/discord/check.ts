/**
 * What Discord checks in a message or form before it takes it, as far as its published limits go. Returns the
 * refusal's code and words, or undefined.
 */
import { ComponentType, MessageFlags } from 'discord.js';

export interface Refusal {
  readonly status: number;
  readonly code: number;
  readonly message: string;
}

export interface AnyComponent {
  id?: number;
  type: number;
  content?: string;
  label?: string;
  description?: string;
  custom_id?: string;
  style?: number;
  components?: AnyComponent[];
  component?: AnyComponent;
  max_length?: number;
  accent_color?: number;
}

export interface MessageBody {
  content?: string;
  flags?: number;
  components?: AnyComponent[];
  nonce?: string;
  enforce_nonce?: boolean;
  allowed_mentions?: { parse?: string[]; users?: string[]; roles?: string[]; replied_user?: boolean };
  message_reference?: { message_id: string; fail_if_not_exists?: boolean };
}

const known = new Set([
  'content',
  'flags',
  'components',
  'nonce',
  'enforce_nonce',
  'allowed_mentions',
  'message_reference',
]);

export function isV2(body: { flags?: number }): boolean {
  return ((body.flags ?? 0) & MessageFlags.IsComponentsV2) !== 0;
}

export function checkMessage(
  body: MessageBody,
  where: 'channel' | 'interaction',
  wasV2 = false,
): Refusal | undefined {
  const odd = Object.keys(body).filter((k) => !known.has(k));
  if (odd.length > 0) return invalid(`unknown fields ${odd.join(', ')}`);
  const settable =
    MessageFlags.SuppressEmbeds |
    MessageFlags.SuppressNotifications |
    MessageFlags.IsComponentsV2 |
    (where === 'interaction' ? MessageFlags.Ephemeral : 0);
  if (((body.flags ?? 0) & ~settable) !== 0) return invalid('flags cannot be set');
  if (body.nonce !== undefined && (body.nonce.length < 1 || body.nonce.length > 25))
    return invalid('nonce length');
  for (const kind of body.allowed_mentions?.parse ?? [])
    if (!['roles', 'users', 'everyone'].includes(kind)) return invalid('allowed_mentions.parse');
  const components = body.components ?? [];
  if (!isV2(body)) {
    if (wasV2) return invalid('the IS_COMPONENTS_V2 flag cannot be removed');
    if ((body.content ?? '').length > 2000) return invalid('content must be 2000 or fewer in length');
    if (!body.content && components.length === 0)
      return { status: 400, code: 50006, message: 'Cannot send an empty message' };
    if (components.some((c) => c.type !== ComponentType.ActionRow))
      return invalid('components need IS_COMPONENTS_V2');
    return checkComponents(components);
  }
  if (body.content) return invalid('content cannot be used with IS_COMPONENTS_V2');
  if (components.length === 0) return { status: 400, code: 50006, message: 'Cannot send an empty message' };
  return checkComponents(components);
}

function checkComponents(components: readonly AnyComponent[]): Refusal | undefined {
  const all = flatten(components);
  if (all.length > 40) return invalid('more than 40 components');
  const text = all.reduce(
    (sum, c) => sum + (c.type === ComponentType.TextDisplay ? (c.content ?? '').length : 0),
    0,
  );
  if (text > 4000) return invalid('more than 4000 characters of text');
  const ids = all.flatMap((c) => (c.id === undefined ? [] : [c.id]));
  if (new Set(ids).size < ids.length) return invalid('component ids are not unique');
  if (ids.some((id) => !Number.isInteger(id) || id < 0 || id > 2 ** 31 - 1))
    return invalid('component id range');
  const customIds = all.flatMap((c) => (c.custom_id === undefined ? [] : [c.custom_id]));
  if (new Set(customIds).size < customIds.length) return invalid('COMPONENT_CUSTOM_ID_DUPLICATED');
  if (customIds.some((id) => id.length < 1 || id.length > 100)) return invalid('custom_id length');
  for (const c of all) {
    const children = c.components ?? [];
    if (c.type === ComponentType.TextDisplay && !c.content?.trim()) return invalid('an empty text display');
    if (c.type === ComponentType.Button && (!c.label || c.label.length > 80)) return invalid('button label');
    if (c.type === ComponentType.ActionRow && (children.length < 1 || children.length > 5))
      return invalid('row length');
    if (c.type === ComponentType.ActionRow && children.some((x) => x.type !== ComponentType.Button))
      return invalid('row content');
    if (c.type === ComponentType.Container && children.length === 0) return invalid('an empty container');
    if (c.type === ComponentType.Container && children.some((x) => x.type === ComponentType.Container))
      return invalid('container in container');
  }
  if (components.some((c) => c.type === ComponentType.Button)) return invalid('a button outside a row');
  return undefined;
}

export interface ModalBody {
  custom_id: string;
  title: string;
  components: AnyComponent[];
}

export function checkModal(body: ModalBody): Refusal | undefined {
  if (body.custom_id.length > 100) return invalid('custom_id length');
  if (body.title.length < 1 || body.title.length > 45) return invalid('title length');
  if (body.components.length < 1 || body.components.length > 5) return invalid('number of components');
  for (const label of body.components) {
    if (label.type !== ComponentType.Label || !label.component)
      return invalid('not a label with a component');
    if (!label.label || label.label.length > 45) return invalid('label length');
    if ((label.description ?? '').length > 100) return invalid('description length');
    if (!label.component.custom_id) return invalid('a field without custom_id');
  }
  return undefined;
}

/** Everyone whom a message with this body would notify. */
export function pingsOf(body: MessageBody): string[] {
  const text = [body.content ?? '', ...flatten(body.components ?? []).map((c) => c.content ?? '')].join('\n');
  const parse = body.allowed_mentions ? (body.allowed_mentions.parse ?? []) : ['everyone', 'users', 'roles'];
  const forms = { everyone: /@(?:everyone|here)/g, users: /<@!?\d+>/g, roles: /<@&\d+>/g };
  return [
    ...Object.entries(forms).flatMap(([kind, form]) =>
      parse.includes(kind) ? (text.match(form) ?? []) : [],
    ),
    ...(body.allowed_mentions?.users ?? []),
    ...(body.allowed_mentions?.roles ?? []),
    ...(body.allowed_mentions?.replied_user ? ['the author of the message replied to'] : []),
  ];
}

export function flatten(components: readonly AnyComponent[]): AnyComponent[] {
  return components.flatMap((c) => [c, ...flatten(c.components ?? [])]);
}

function invalid(what: string): Refusal {
  return { status: 400, code: 50035, message: `Invalid Form Body: ${what}` };
}
