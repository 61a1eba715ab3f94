/**
 * Where an instance is: all that the commands need that talk to a running one or read its log. They go on working
 * while a file of the configuration is being edited.
 */
import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import { anchorFrom } from './anchor.ts';
import { settingsFor } from './env.ts';
import { ConfigError } from './problem.ts';
import { consoleFrom } from './services.ts';

export interface Place extends Pick<Config, 'dataDir' | 'console' | 'anchor'> {
  /** A named person's token; undefined for the owner's. */
  readonly token?: string;
}

/** Reads variables only. Throws ConfigError with every problem among them. */
export function loadPlace(env: NodeJS.ProcessEnv, cwd: string): Place {
  const settings = settingsFor('cli', env, cwd);
  const dataDir = resolve(cwd, settings.get('OPSAGENT_DATA_DIR') ?? '.opsagent');
  const token = settings.get('OPSAGENT_TOKEN');
  const place = {
    ...(token === undefined ? {} : { token }),
    dataDir,
    console: consoleFrom(settings),
    anchor: anchorFrom(settings, dataDir),
  };
  if (settings.problems.length > 0) throw new ConfigError(settings.problems);
  return place;
}
