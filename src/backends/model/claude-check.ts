/**
 * For doctor: is the key accepted, and does the configured model exist? Asks for the model's entry, no tokens.
 */
import Anthropic, { APIError } from '@anthropic-ai/sdk';

/** The problem in a sentence, or undefined when all is well. Never throws. */
export async function checkClaude(options: {
  readonly apiKey: string;
  readonly model: string;
  readonly baseUrl?: string;
}): Promise<string | undefined> {
  const client = new Anthropic({
    apiKey: options.apiKey,
    baseURL: options.baseUrl ?? null,
    maxRetries: 0,
    timeout: 10_000,
    logLevel: 'off',
  });
  try {
    await client.models.retrieve(options.model);
    return undefined;
  } catch (error) {
    const status = error instanceof APIError ? error.status : undefined;
    if (status === 401 || status === 403) return 'ANTHROPIC_API_KEY is not accepted';
    if (status === 404) return `there is no model ${options.model}; set CLAUDE_MODEL`;
    return status
      ? `the model service answered ${status}`
      : 'the model service cannot be reached; see ANTHROPIC_BASE_URL';
  }
}
