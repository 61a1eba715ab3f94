import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { version } from '../src/core/version.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const filesUnder = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));

/** Our own files by path from the root, with what they import: paths for ours, package names for others. */
const imports = new Map(
  [...filesUnder('src'), ...filesUnder('adapters')]
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, importsOf(file, read(file))]),
);

function importsOf(file: string, text: string): string[] {
  const found = text.matchAll(/\bfrom\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm);
  return [...found].map(([, from, lazy, bare]) => {
    const specifier = from ?? lazy ?? bare ?? '';
    return specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier;
  });
}

/** Parts never import one another; they meet in the composition roots, which may import everything. */
function partOf(file: string): string {
  const [top, second = ''] = file.split('/');
  if (
    file === 'src/main.ts' ||
    file === 'adapters/index.ts' ||
    (top === 'src' && /^(wire|cli)$/.test(second))
  )
    return 'root';
  if (file === 'src/config.ts') return 'config';
  return top === 'adapters' ? `adapters/${second}` : second;
}

/** A package, and the one place that may import it. */
const homes: readonly [RegExp, RegExp][] = [
  [/^@slack\//, /^adapters\/slack\//],
  [/^discord(\.js|-api-types)/, /^adapters\/discord\//],
  [/^@?hono\b/, /^adapters\/console\//],
  [/^@anthropic-ai\/sdk/, /^src\/backends\/model\//],
  [/^@modelcontextprotocol\/client/, /^src\/backends\/tools/],
  [/^@modelcontextprotocol\/server/, /^src\/whitelist\//],
  [/^@modelcontextprotocol\/sdk/, /^$/],
  [/^ssh2$/, /^src\/whitelist\//],
  [/^diff$/, /^src\/whitelist\/fold\.ts$/],
  [/^socks$/, /^src\/whitelist\/ssh\/socks\.ts$/],
  [/^(bullmq|ioredis|js-redis-server\b.*)$/, /^src\/backends\/redis\//],
  [/^pino$/, /^src\/backends\/logger\.ts$/],
  [/^yaml$/, /^src\/config\//],
  [/^commander$/, /^src\/(main|cli\/[a-z]+-words)\.ts$/],
  [/^zod$/, /^(src\/(config|whitelist|backends)\/|adapters\/[a-z]+\/)/],
];

describe('the import rule', () => {
  it('sees the files at all', () => {
    expect(imports.size).toBeGreaterThan(50);
    expect(imports.get('src/worker/advance.ts')).toContain('src/core/run.ts');
    expect(imports.get('adapters/index.ts')).toContain('adapters/slack/index.ts');
  });

  it('lets every part import the core, the system and itself, and nothing else of ours', () => {
    const broken = [...imports].flatMap(([file, to]) =>
      partOf(file) === 'root'
        ? []
        : to
            .filter((t) => /^(src|adapters)\//.test(t))
            .filter((t) => !['core', 'system', partOf(file)].includes(partOf(t)))
            .map((t) => `${file} imports ${t}`),
    );
    expect(broken).toEqual([]);
  });

  it('keeps the core free of everything but hashing and linear-time patterns', () => {
    const outside = [...imports].flatMap(([file, to]) =>
      partOf(file) === 'core'
        ? to.filter((t) => !t.startsWith('src/core/') && t !== 'node:crypto' && t !== 're2js')
        : [],
    );
    expect(outside).toEqual([]);
  });

  it('gives each SDK one home', () => {
    const astray = [...imports].flatMap(([file, to]) =>
      to.flatMap((t) =>
        homes.flatMap(([name, home]) => (name.test(t) && !home.test(file) ? [`${file}: ${t}`] : [])),
      ),
    );
    expect(astray).toEqual([]);
  });

  it('has no cycles', () => {
    const done = new Set<string>();
    const cycleFrom = (file: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
      if (done.has(file)) return undefined;
      for (const next of imports.get(file) ?? []) {
        const cycle = imports.has(next) ? cycleFrom(next, [...path, file]) : undefined;
        if (cycle) return cycle;
      }
      done.add(file);
      return undefined;
    };
    const first = [...imports.keys()].map((file) => cycleFrom(file, [])).find((cycle) => cycle !== undefined);
    expect(first).toBeUndefined();
  });
});

describe('every source file', () => {
  it('has at most 300 lines', () => {
    const long = [...imports.keys()].filter((file) => read(file).split('\n').length > 301);
    expect(long).toEqual([]);
  });

  it('opens with what it is for', () => {
    expect([...imports.keys()].filter((file) => !read(file).startsWith('/**'))).toEqual([]);
  });

  it('leaves the environment to the configuration', () => {
    const readers = [...imports.keys()].filter((file) => /\bprocess\.env\b/.test(read(file)));
    expect(readers.filter((file) => partOf(file) !== 'config')).toEqual([]);
    expect(readers).toHaveLength(1);
  });
});

describe('every chat adapter', () => {
  it.each(
    readdirSync(join(root, 'adapters'), { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name),
  )('%s passes the shared contract suite', (name) => {
    const folder = join('test/adapters', name);
    expect(existsSync(join(root, folder))).toBe(true);
    const tests = filesUnder(folder).filter((file) => file.endsWith('.test.ts'));
    expect(tests.some((file) => /\bchatAdapterContract\(/.test(read(file)))).toBe(true);
  });
});

it('tells the version that package.json has', () => {
  expect(version).toBe((JSON.parse(read('package.json')) as { version: string }).version);
});
