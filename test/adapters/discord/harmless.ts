/**
 * Reads a message body the way Discord's Markdown does and lists everything in it that would act: the scan that
 * every outgoing body of every test here goes through.
 */
import { MessageFlags } from 'discord.js';
import { flatten, type MessageBody } from '../../twins/discord/check.ts';

/** What is wrong with a body; empty when it is harmless. */
export function harmsIn(body: MessageBody): string[] {
  const texts = [body.content ?? '', ...flatten(body.components ?? []).map((c) => c.content ?? '')];
  const mentions = body.allowed_mentions;
  return [
    ...(mentions &&
    JSON.stringify(mentions.parse) === '[]' &&
    !mentions.users &&
    !mentions.roles &&
    !mentions.replied_user
      ? []
      : ['allowed_mentions is not empty']),
    ...((body.flags ?? 0) & MessageFlags.SuppressEmbeds ? [] : ['embeds are not suppressed']),
    ...texts.flatMap(actsIn),
  ];
}

/** The parts of a Markdown source that would act. Links to threads and times that we wrote ourselves may. */
export function actsIn(source: string): string[] {
  const { active, raw } = outsideCode(source);
  const own = active.replace(/<#\d+>/g, '').replace(/<t:\d+:[Rf]>/g, '');
  const found = own.match(/@everyone|@here|<[@#:/a]|<t:|<id:|<https?:|`/g) ?? [];
  return [...found, ...(raw.includes('](') ? ['a masked link'] : [])];
}

/** The text that is not code: with escaped characters left out (`active`), and with them (`raw`). */
export function outsideCode(source: string): { active: string; raw: string } {
  const block = /```(?:[a-z0-9_+\-.#]+?\n)?\n*[^\n][\s\S]*?\n*```/iy;
  const inline = /(`+)[\s\S]*?[^`]\1(?!`)/y;
  let active = '';
  let raw = '';
  for (let i = 0; i < source.length; ) {
    const escaped = /\\[^0-9A-Za-z\s]/y;
    const rule = [escaped, block, inline].find((r) => {
      r.lastIndex = i;
      return r.test(source);
    });
    if (!rule) {
      active += source.charAt(i);
      raw += source.charAt(i);
      i += 1;
      continue;
    }
    if (rule === escaped) raw += source.slice(i, rule.lastIndex);
    // A space, so that what stands on both sides of code does not become one word.
    else raw += ' ';
    active += ' ';
    i = rule.lastIndex;
  }
  return { active, raw };
}
