/**
 * What the Claude suites share: a conversation, tools, and the real SDK pointed at the twin.
 */
import { onTestFinished } from 'vitest';
import type { ClaudeOptions } from '../../../src/backends/model/claude.ts';
import { createClaude } from '../../../src/backends/model/claude.ts';
import type { Logger, Model, ModelInput, ModelMessage } from '../../../src/core/ports.ts';
import type { AnthropicTwin, TwinScript } from '../../twins/anthropic/twin.ts';
import { startAnthropicTwin } from '../../twins/anthropic/twin.ts';

export const key = 'sk-ant-made-up-for-the-twin';

const tools: ModelInput['tools'] = [
  { name: 'ping', description: 'Answers.', inputSchema: { type: 'object', properties: {} } },
  {
    name: 'check_disk',
    description: 'Free space.',
    inputSchema: { type: 'object', properties: { host: { type: 'string' } } },
  },
];

/** An input with these messages; a bare string is what a person says. */
export function asking(...messages: readonly (string | ModelMessage)[]): ModelInput {
  return {
    system: 'You look after servers.',
    tools,
    messages: messages.map((m) => (typeof m === 'string' ? { role: 'person', text: m } : m)),
  };
}

export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

export function recordingLogger(lines: LogLine[] = []): Logger & { readonly lines: readonly LogLine[] } {
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields, message });
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => recordingLogger(lines),
  };
}

/** Claude against a twin that follows the script; both are gone when the test is. */
export async function claudeOn(
  script: TwinScript,
  options: Partial<ClaudeOptions> = {},
): Promise<{ claude: Model; twin: AnthropicTwin; log: readonly LogLine[] }> {
  const twin = await startAnthropicTwin(script, { key });
  onTestFinished(() => twin.close());
  const logger = recordingLogger();
  const claude = createClaude({
    apiKey: key,
    baseUrl: twin.url,
    model: 'claude-sonnet-5-5',
    maxTokens: 4096,
    logger,
    backoffMs: 1,
    ...options,
  });
  return { claude, twin, log: logger.lines };
}
