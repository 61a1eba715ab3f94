/**
 * Slack's reading of a message: what a person sees of its blocks, whom it notifies, and what Slack refuses.
 */
import type { Block, KnownBlock, RichTextBlock } from '@slack/types';

type Part = RichTextBlock['elements'][number];

/** The visible text, one part a line. */
export function visibleText(blocks: readonly Block[]): string {
  return (blocks as readonly KnownBlock[])
    .flatMap((block) => {
      switch (block.type) {
        case 'rich_text':
          return block.elements.map(partText);
        case 'section':
        case 'context':
        case 'markdown':
        case 'header':
          throw new Error(`the twin does not draw ${block.type} blocks: add it here when one is used`);
        default:
          return [];
      }
    })
    .join('\n');
}

function partText(part: Part): string {
  const elements = part.elements as readonly { type: string; text?: string; fallback?: string }[];
  return elements.map((e) => e.text ?? e.fallback ?? `[${e.type}]`).join('');
}

/** Labels of the buttons, with what a press of them sends. */
export function buttonsOf(
  blocks: readonly Block[],
): readonly { label: string; actionId: string; value: string }[] {
  return (blocks as readonly KnownBlock[])
    .flatMap((block) => (block.type === 'actions' ? block.elements : []))
    .flatMap((element) =>
      element.type === 'button'
        ? [{ label: element.text.text, actionId: element.action_id ?? '', value: element.value ?? '' }]
        : [],
    );
}

/** Everybody whom Slack would notify of this body: markup in parsed text, mention elements, names that are linked. */
export function pingsOf(body: Record<string, unknown>): readonly string[] {
  const parsed = [String(body.text ?? '')];
  const elements: string[] = [];
  walk(body.blocks, (node) => {
    if (node.type === 'mrkdwn' || node.type === 'markdown') parsed.push(String(node.text));
    if (['user', 'usergroup', 'channel', 'broadcast', 'team'].includes(String(node.type)))
      elements.push(JSON.stringify(node));
  });
  const markup = parsed.flatMap((text) => text.match(/<[!@#][^>]*>/g) ?? []);
  const linked =
    body.link_names || body.parse === 'full' ? parsed.flatMap((t) => t.match(/@\w+/g) ?? []) : [];
  return [...markup, ...elements, ...linked];
}

/** Why Slack would refuse the blocks; undefined when it takes them. */
export function blockProblem(blocks: readonly Block[]): string | undefined {
  if (blocks.length === 0 || blocks.length > 50) return 'invalid_blocks: 1 to 50 blocks';
  const ids = buttonsOf(blocks).map((b) => b.actionId);
  if (new Set(ids).size !== ids.length) return 'invalid_blocks: action_id used twice';
  let problem: string | undefined;
  walk(blocks, (node) => {
    const { type, text, value, action_id: action } = node;
    if (type === 'text' && text === '') problem = 'invalid_blocks: empty text element';
    if (Array.isArray(node.elements) && node.elements.length === 0) problem = 'invalid_blocks: no elements';
    if (type === 'button' && String(value).length > 2000) problem = 'invalid_blocks: button value';
    if (type === 'button' && String(action).length > 255) problem = 'invalid_blocks: action_id';
    if (type === 'button' && tooLong(text, 75)) problem = 'invalid_blocks: button label';
    if (type === 'actions' && Array.isArray(node.elements) && node.elements.length > 25)
      problem = 'invalid_blocks: more than 25 elements';
    const confirm = (type === 'button' ? node.confirm : undefined) as Record<string, unknown> | undefined;
    if (confirm && (tooLong(confirm.title, 100) || tooLong(confirm.text, 300)))
      problem = 'invalid_blocks: confirm';
    if (confirm && (tooLong(confirm.confirm, 30) || tooLong(confirm.deny, 30)))
      problem = 'invalid_blocks: confirm buttons';
  });
  if (visibleText(blocks).length > 13_000) problem = 'msg_blocks_too_long';
  const size = JSON.stringify(blocks).length;
  return problem ?? (size > 100_000 ? 'msg_blocks_too_long' : undefined);
}

/** Whether a plain text object says nothing or more than so many characters. */
function tooLong(object: unknown, most: number): boolean {
  const text = (object as { text?: unknown } | undefined)?.text;
  return typeof text !== 'string' || text === '' || text.length > most;
}

function walk(node: unknown, visit: (node: Record<string, unknown>) => void): void {
  if (Array.isArray(node)) for (const item of node) walk(item, visit);
  else if (node !== null && typeof node === 'object') {
    visit(node as Record<string, unknown>);
    for (const member of Object.values(node)) walk(member, visit);
  }
}
