/**
 * The shapes of what tools take and give. Arguments are strict: a field that is not declared is an error, not ignored.
 */
import { z } from 'zod';

const text = z.string();
const Ran = z.object({
  command: text,
  host: text,
  line: text,
  end: z.looseObject({ kind: text }),
  ms: z.number(),
  output: text,
  truncated: z.boolean(),
});

const Risk = z.enum(['read', 'change', 'critical']);

/** Of every tool that runs commands. Clients check it on errors too, so what those carry is declared here. */
export const RanOutput = z.object({
  ran: z.array(Ran),
  not_run: z.array(z.object({ command: text, reason: text })).optional(),
  problems: z.array(text).optional().describe('What is wrong with the parameters'),
  approval_required: z.boolean().optional().describe('Nothing has run: people have to approve it first'),
  command: text.optional(),
  host: text.optional(),
  risk: Risk.optional(),
  line: text.optional(),
  how: text.optional().describe('How to ask for the approval'),
});

export const StatusOutput = RanOutput.extend({
  server: text,
  version: text,
  commands: z.number(),
  hosts: z.array(text),
});

export const PingOutput = RanOutput.extend({ pong: text });

export const ListOutput = z.object({
  commands: z.array(
    z.object({
      name: text,
      description: text,
      category: text,
      risk: Risk,
      needs_approval: z.boolean(),
      parameters: z.array(z.object({ name: text, description: text, optional: z.boolean() })),
      hosts: z.array(text),
    }),
  ),
});

/** Values as the caller writes them; the parameter's type decides later. */
export const Parameters = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  .describe('Values of the parameters of this command, by name');

/** An enumeration of real names. Throws for none: a server without commands or hosts is not started. */
export function oneOf(names: readonly string[], description: string) {
  const [first, ...rest] = names;
  if (first === undefined) throw new TypeError('an enumeration needs at least one name');
  const error = ({ input }: { readonly input?: unknown }) => notOneOf(names, input);
  return z.enum([first, ...rest], { error }).describe(description);
}

/** For people, who read it in the thread: few names are listed, of many those that look alike. */
function notOneOf(names: readonly string[], input: unknown): string {
  const given = typeof input === 'string' ? input.slice(0, 60) : undefined;
  const words = (given ?? '').toLowerCase().match(/[a-z0-9]{3,}/g) ?? [];
  const alike = names.filter((name) => words.some((word) => name.toLowerCase().includes(word)));
  const offered = names.length <= 8 ? names : alike.slice(0, 8);
  const what = given === undefined ? 'a name is missing' : `there is no ${JSON.stringify(given)} here`;
  return `${what}${offered.length > 0 ? `; there is ${offered.join(', ')}` : ''}.`;
}
