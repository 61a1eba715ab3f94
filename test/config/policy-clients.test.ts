/**
 * Where people are asked about what MCP clients want: `mcp_requests` of policy.yaml.
 */
import { describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/config/policy.ts';
import { problemLine } from '../../src/config/problem.ts';
import { clientConversation } from '../../src/core/client-request.ts';

const place = (text: string, account = 'mcp:ci') => {
  const { policy, problems } = loadPolicy('policy.yaml', text);
  expect(problems).toEqual([]);
  return clientConversation(policy, account);
};

describe('mcp_requests', () => {
  it.each([
    ['', { platform: 'console', channel: 'console', thread: 'mcp-ci' }],
    ['mcp_requests: { in: console }', { platform: 'console', channel: 'console', thread: 'mcp-ci' }],
    [
      'mcp_requests: { in: "slack:C0123ABCD/1712345678.000100" }',
      { platform: 'slack', channel: 'C0123ABCD', thread: '1712345678.000100' },
    ],
    ['mcp_requests: { in: "discord:345" }', { platform: 'discord', channel: '345', thread: '345' }],
    ['mcp_requests: { in: "discord:345/678" }', { platform: 'discord', channel: '345', thread: '678' }],
  ])('is a place: %j', (text, expected) => {
    expect(place(text)).toEqual(expected);
  });

  it('gives a client without a name a thread of its own too', () => {
    expect(place('', 'mcp').thread).toBe('mcp');
  });

  it.each(['slack:C0123ABCD', 'slack:C0123ABCD/17123', 'discord:ops', 'teams:1', 'slack', ''])(
    'is a mistake where no one can be asked: %j',
    (text) => {
      const { problems } = loadPolicy('policy.yaml', `mcp_requests: { in: "${text}" }`);

      expect(problems.map(problemLine).join()).toContain('is not a place where people can be asked');
    },
  );

  it('is an unknown key beside in', () => {
    const { problems } = loadPolicy('policy.yaml', 'mcp_requests: { in: console, who: [mcp] }');

    expect(problems.map(problemLine).join()).toContain('unknown-key');
  });
});
