/**
 * Which model answers: Claude where there is a key, else the rehearsal model.
 */
import type { Config } from '../config.ts';
import type { Logger, Model } from '../core/ports.ts';

export async function createModel(
  config: Config,
  logger: Logger,
  redact: (text: string) => string,
): Promise<Model> {
  if (!config.model?.apiKey) {
    const { createRehearsal } = await import('../backends/model/rehearsal.ts');
    return createRehearsal();
  }
  const { createClaude } = await import('../backends/model/claude.ts');
  const { apiKey, baseUrl, name, maxTokens } = config.model;
  return createClaude({ apiKey, model: name, maxTokens, logger, redact, ...(baseUrl ? { baseUrl } : {}) });
}
