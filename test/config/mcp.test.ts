/**
 * Who may use the whitelist server over HTTP: every token has a name and is long, and none is ever shown.
 */
import { expect, it } from 'vitest';
import { settingsFor } from '../../src/config/env.ts';
import { mcpFrom } from '../../src/config/services.ts';

const good = 'a'.repeat(24);
const other = 'b'.repeat(24);
const read = (env: Record<string, string>) => {
  const settings = settingsFor('whitelist', env, '/');
  return { mcp: mcpFrom(settings), problems: settings.problems };
};

it('reads clients, address and origins', () => {
  const { mcp, problems } = read({
    OPSAGENT_MCP_TOKENS: `ci=${good}, desk=${other}`,
    OPSAGENT_MCP_ORIGIN: 'https://ops.example.net',
  });

  expect(problems).toEqual([]);
  expect(mcp).toEqual({
    host: '127.0.0.1',
    port: 7861,
    origins: ['https://ops.example.net'],
    clients: [
      { name: 'ci', token: good },
      { name: 'desk', token: other },
    ],
  });
});

it.each([
  [{ OPSAGENT_MCP_TOKENS: good }, 'has no name'],
  [{ OPSAGENT_MCP_TOKENS: `CI=${good}` }, 'has no name'],
  [{ OPSAGENT_MCP_TOKENS: 'ci=short-secret' }, 'too short'],
  [{ OPSAGENT_MCP_TOKENS: `ci=${good},ci=${other}` }, 'name twice'],
  [{ OPSAGENT_MCP_TOKENS: `ci=${good},desk=${good}` }, 'token twice'],
  [{ OPSAGENT_MCP_ORIGIN: 'https://ops.example.net/mcp' }, 'not an origin'],
  [{ OPSAGENT_MCP_HOST: 'a b' }, 'not an address'],
])('says what is wrong with %j, without its secret', (env, what) => {
  const text = JSON.stringify(read(env).problems);

  expect(text).toContain(what);
  for (const secret of [good, other, 'short-secret']) expect(text).not.toContain(secret);
});
