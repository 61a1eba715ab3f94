/**
 * From results to sentences: finds the output of each command between its fences and says what it says.
 * What no reader knows is shown as it came; nothing is concluded that does not stand there.
 */
import type { ModelCall, ModelMessage } from '../../core/ports.ts';
import type { Section } from './rehearsal-faults.ts';
import { faultIn } from './rehearsal-faults.ts';
import { list, nameOf } from './rehearsal-plan.ts';
import { readerFor } from './rehearsal-readers.ts';
import type { Catalogue } from './rehearsal-words.ts';

type Results = Extract<ModelMessage, { role: 'results' }>['results'];

/** All results in sentences, those of one call together, code blocks last. */
export function readResults(results: Results, calls: readonly ModelCall[], known: Catalogue): string {
  const said = results.map((result) => {
    const call = calls.findLast((c) => c.modelId === result.callId);
    return readOne(call ? nameOf(call) : 'the call', result.text, result.isError, known);
  });
  return said.join(said.length > 2 || said.some((s) => s.includes('\n')) ? '\n\n' : ' ');
}

function readOne(name: string, text: string, isError: boolean, known: Catalogue): string {
  const sections = sectionsOf(text);
  if (sections.length > 0) {
    const notRun = text.replace(fence, '').match(/^\w+ was not run: .*$/gm) ?? [];
    const said = [...sections.map(say), ...notRun.map(oneLine)];
    if (said.some((s) => s.includes('\n'))) return said.join('\n\n');
    return said.length > 3 ? said.map((s) => `- ${s}`).join('\n') : said.join(' ');
  }
  if (isError) return `\`${name}\`${neverRan.test(text) ? ' did not run' : ''}: ${ended(oneLine(text))}`;
  if (name === 'list_commands') return listing(text, known);
  if (name === 'ping') return `The whitelist server answered: ${ended(oneLine(text))}`;
  return say({ command: name, host: '', body: text, end: '' });
}

/** Only where it stands there: a call whose outcome is unknown is an error too. */
const neverRan = /^denied by|^nobody decided in time|was not run|nothing (?:has|was) run/i;

const fence = /(?:^|\n)(?:([^\n]*)\n)?<output\b([^>]*)>\n?([\s\S]*?)\n?<\/output\b[^>]*>/g;

/** Sections stand between `<output id=… host=… command=…>` and its end, each under a line that says how it ended. */
function sectionsOf(text: string): readonly Section[] {
  return [...text.matchAll(fence)].map(([, head = '', attributes = '', body = '']) => ({
    command: /\bcommand="([^"]*)"/.exec(attributes)?.[1] ?? '',
    host: /\bhost="([^"]*)"/.exec(attributes)?.[1] ?? '',
    body: body.trim() === '(no output)' ? '' : body,
    end: /: ([^:]*(?:: [^:]*)?), \d+ ms$/.exec(head)?.[1] ?? '',
  }));
}

function say(section: Section): string {
  const { command, host, body, end } = section;
  const on = host ? ` on ${host}` : '';
  const fault = faultIn(section);
  if (fault) return fault;
  if (end !== '' && !end.startsWith('exit ')) return `\`${command}\`${on}: ${ended(end)}`;
  const bad = end !== '' && end !== 'exit 0';
  const read = bad && body === '' ? undefined : readerFor(command)?.(body, host);
  if (read) return read;
  const how = bad ? `ended with ${end}` : 'ran';
  const lines = body.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0)
    return `\`${command}\` ${how}${on}${bad ? '' : end && ` (${end})`} and wrote nothing.`;
  if (lines.length === 1 && oneLine(body).length < 160)
    return `\`${command}\` ${how}${on} and says: ${code(oneLine(body))}`;
  return `\`${command}\` ${how}${on} and wrote ${lines.length} lines${lines.length > shown ? `; the first ${shown}` : ''}:\n${block(lines)}`;
}

function listing(text: string, known: Catalogue): string {
  const names = known.commands.filter((c) => new RegExp(`\\b${c.name}\\b`).test(text));
  if (names.length === 0) return oneLine(text);
  const sensitive = names.filter((c) => c.sensitive);
  const asked = sensitive.length > 0 ? ` People are asked before ${list(sensitive.map((c) => c.name))}.` : '';
  return `There are ${names.length} whitelisted commands for you here: ${list(names.map((c) => c.name))}.${asked} Ask in plain words or by name.`;
}

const shown = 12;

/** A fence longer than any run of backticks inside. */
function block(lines: readonly string[]): string {
  const text = lines
    .slice(0, shown)
    .map((line) => (line.length > 140 ? `${line.slice(0, 139)}…` : line))
    .join('\n');
  const fence = fenceFor(text, 3);
  return `${fence}\n${text}\n${fence}`;
}

function code(text: string): string {
  const fence = fenceFor(text, 1);
  return fence.length > 1 ? `${fence} ${text} ${fence}` : `${fence}${text}${fence}`;
}

function fenceFor(text: string, least: number): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  return '`'.repeat(Math.max(least, longest + 1));
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

function ended(sentence: string): string {
  return /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
}
