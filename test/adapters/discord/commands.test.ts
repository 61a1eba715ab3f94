/** How `/ops run` reads its arguments and what autocomplete offers. */
import { describe, expect, it } from 'vitest';
import { choices, parseArgs } from '../../../adapters/discord/commands.ts';
import { directory } from './harness.ts';

describe('the arguments of /ops run', () => {
  it.each([
    ['', {}],
    ['  ', {}],
    ['path=/var/log', { path: '/var/log' }],
    ['path="/var/my log" lines=5', { path: '/var/my log', lines: '5' }],
    [String.raw`a="say \"hi\" \\" b='as \ is'`, { a: 'say "hi" \\', b: 'as \\ is' }],
    ['a= b=""', { a: '', b: '' }],
    ['a=b=c', { a: 'b=c' }],
    ['__proto__=x', { ['__proto__']: 'x' }],
  ])('%j is read', (source, values) => {
    const args = parseArgs(source);

    expect(args.kind === 'args' && Object.entries(args.values)).toEqual(Object.entries(values));
  });

  it.each([
    'path',
    '/var/log',
    'a="open',
    "a='open",
    'a="x"y',
    '1a=b',
    'a-b=c',
    'a=b ; c',
    'a=1 a=2',
    'a="1"b=2',
  ])('%j is refused with words', (source) => {
    expect(parseArgs(source)).toMatchObject({ kind: 'problem', text: expect.stringMatching(/argument/) });
  });
});

describe('autocomplete', () => {
  const values = (name: string, value: string, command?: string) =>
    choices(directory, { name, value }, command).map((c) => c.value);

  it('finds commands by name, category and description, names first', () => {
    expect(values('command', 'serv')).toEqual(['service_logs', 'restart_service']);
    expect(values('command', 'free space')).toEqual(['disk_usage']);
  });

  it('finds hosts', () => {
    expect(values('host', 'WEB')).toEqual(['web-1', 'web-2']);
  });

  it('offers groups among the hosts, also after a comma', () => {
    const tagged = {
      ...directory,
      hosts: () => [
        { name: 'web-1', tags: ['web'] },
        { name: 'db-1', tags: ['db'] },
      ],
    };
    const offered = (value: string) =>
      choices(tagged, { name: 'host', value }, undefined).map((c) => c.value);

    expect(offered('')).toEqual(['web-1', 'db-1', 'all', '@db', '@web']);
    expect(offered('@w')).toEqual(['@web']);
    expect(offered('db-1, we')).toEqual(['db-1,web-1', 'db-1,@web']);
  });

  it('offers the parameters of the command that were not given yet', () => {
    expect(values('args', '', 'service_logs')).toEqual(['service_name=', 'lines=']);
    expect(values('args', 'service_name=nginx li', 'service_logs')).toEqual(['service_name=nginx lines=']);
    expect(values('args', 'service_name=ng', 'service_logs')).toEqual([]);
    expect(values('args', '', 'unknown')).toEqual([]);
  });

  it('offers at most 25 choices of at most 100 characters', () => {
    const many = {
      commands: () => [],
      hosts: () => Array.from({ length: 60 }, (_, i) => ({ name: i === 0 ? 'h'.repeat(101) : `host-${i}` })),
    };
    const offered = choices(many, { name: 'host', value: '' }, undefined);

    expect(offered).toHaveLength(25);
    expect(offered.every((c) => c.value.length <= 100)).toBe(true);
  });
});
