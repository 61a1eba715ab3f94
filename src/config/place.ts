/**
 * Where an instance is: all that the commands need that talk to a running one or read its log. They go on working
 * while a file of the configuration is being edited.
 */
import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import { settingsFor } from './env.ts';
import { ConfigError } from './problem.ts';
import { consoleFrom } from './services.ts';

export type Place = Pick<Config, 'dataDir' | 'console'>;

/** Reads variables only. Throws ConfigError with every problem among them. */
export function loadPlace(env: NodeJS.ProcessEnv, cwd: string): Place {
  const settings = settingsFor('cli', env, cwd);
  const place = {
    dataDir: resolve(cwd, settings.get('OPSAGENT_DATA_DIR') ?? '.opsagent'),
    console: consoleFrom(settings),
  };
  if (settings.problems.length > 0) throw new ConfigError(settings.problems);
  return place;
}
