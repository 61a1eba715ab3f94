/**
 * What a tool is to this server: a name, strict arguments, an output schema, and what it does with one call.
 */
import type { z } from 'zod';
import type { CommandSpec } from '../core/command.ts';
import type { CallControl } from './calls.ts';
import type { Caller } from './identity.ts';
import type { ToolReply } from './reply.ts';

/** What one call brings. */
export interface ToolCallContext {
  readonly caller: Caller;
  readonly control: CallControl;
  /** The sealed state, when people have answered. */
  readonly sealed?: string;
}

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  readonly readOnly: boolean;
  run(args: unknown, call: ToolCallContext): Promise<ToolReply>;
}

/** Ties a tool's arguments to its schema, then forgets their type. */
export function tool<Input extends z.ZodObject>(definition: {
  name: string;
  title: string;
  description: string;
  input: Input;
  output: z.ZodObject;
  readOnly: boolean;
  run(args: z.infer<Input>, call: ToolCallContext): Promise<ToolReply>;
}): Tool {
  return { ...definition, run: (args, call) => definition.run(definition.input.parse(args), call) };
}

/** `restart_service(service_name)`; what may be left out is marked with a question mark. */
export function signature({ name, params }: CommandSpec): string {
  if (params.length === 0) return name;
  return `${name}(${params.map((p) => (p.optional || p.default !== undefined ? `${p.name}?` : p.name)).join(', ')})`;
}
