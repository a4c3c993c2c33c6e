/** How the compiled modules of a package become few files. */
import assert from 'node:assert/strict';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { bundle } from '../../deploy/packages/bundle.ts';

const root = mkdtempSync(path.join(tmpdir(), 'bundle-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** As the compiler writes them: an entry, a thread that it starts by its address, and what both have. */
const MODULES: Readonly<Record<string, string>> = {
  'index.js': [
    "import { LsmError } from './errors.js';",
    "export { workerUrl, ownFolder } from './threads/pool.js';",
    'export { LsmError };',
    "import manifest from './package.json' with { type: 'json' };",
    'export const { type } = manifest;',
    "export const later = () => import('./offline/repair.js');",
  ].join('\n'),
  'errors.js': 'export class LsmError extends Error {\n}\n',
  'threads/pool.js': [
    "export const workerUrl = new URL('./worker.js', import.meta.url).href;",
    'export const ownFolder = import.meta.dirname;',
  ].join('\n'),
  'threads/worker.js': [
    "import { LsmError } from '../errors.js';",
    "import { pack } from '../vendor/library.mjs';",
    'export const fail = () => new LsmError(pack());',
  ].join('\n'),
  'offline/repair.js':
    "import { LsmError } from '../errors.js';\nexport const repair = () => new LsmError('r');\n",
};

function write(modules: Readonly<Record<string, string>>): string {
  // Another folder each time, as a module is loaded once.
  const dist = path.join(root, `${count++}`);
  const files = { ...modules, 'package.json': '{ "type": "module" }', 'index.d.ts': 'export {};' };
  for (const [file, code] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(dist, file)), { recursive: true });
    writeFileSync(path.join(dist, file), code);
    if (!file.endsWith('.js')) continue;
    const map = {
      version: 3,
      sources: [`/sources/${file}`],
      sourcesContent: [''],
      names: [],
      mappings: 'AAAA',
    };
    writeFileSync(path.join(dist, `${file}.map`), JSON.stringify(map));
  }
  return dist;
}

async function bundled(modules = MODULES): Promise<string> {
  const dist = write(modules);
  await bundle(dist, ['index', 'threads/worker']);
  mkdirSync(path.join(dist, 'vendor'));
  writeFileSync(path.join(dist, 'vendor', 'library.mjs'), "export const pack = () => 'packed';\n");
  return dist;
}

const load = (dist: string, file: string): Promise<Record<string, unknown>> =>
  import(pathToFileURL(path.join(dist, file)).href);

test('modules become the entries, what these share, and what they load later', async () => {
  const files = globSync('**/*.{js,d.ts}', { cwd: await bundled() }).sort();
  assert.deepEqual(files, ['errors.js', 'index.d.ts', 'index.js', 'offline/repair.js', 'threads/worker.js']);
});

test('a file that would be large is several, each loaded before those that use it', async () => {
  const filler = (name: string): string =>
    `export function ${name}() {\n${'  console.count();\n'.repeat(2500)}}\n`;
  const dist = await bundled({
    ...MODULES,
    'errors.js': `${filler('unused')}export class LsmError extends Error {\n  more = unused;\n}\n`,
    'format/own.js': `import { LsmError } from '../errors.js';\n${filler('fill')}export class OwnError extends LsmError {\n  fill = fill;\n}\n`,
    'index.js': `${MODULES['index.js']}\nexport { OwnError } from './format/own.js';`,
    'threads/worker.js': `${MODULES['threads/worker.js']}\nexport { OwnError } from '../format/own.js';`,
  });
  const sizes = new Map(
    globSync('**/*.js', { cwd: dist }).map((file) => [file, statSync(path.join(dist, file)).size]),
  );
  assert.ok(sizes.has('errors.js') && sizes.has('format/own.js'), [...sizes.keys()].join());
  for (const size of sizes.values()) assert.ok(size <= 80 * 1024);
  const { LsmError, OwnError } = await load(dist, 'index.js');
  const own = new (OwnError as new () => Error)();
  assert.ok(own instanceof (LsmError as new () => Error));
  assert.equal((await load(dist, 'threads/worker.js')).OwnError, OwnError);
});

test('code is in ASCII and says the same', async () => {
  const dist = await bundled({
    ...MODULES,
    'errors.js':
      "export class LsmError extends Error {\n}\nexport const text = '2 µs… 😀', pattern = /[…]/;\n",
    'index.js': `${MODULES['index.js']}\nexport { pattern, text } from './errors.js';`,
  });
  for (const file of globSync('**/*.js', { cwd: dist }))
    assert.match(readFileSync(path.join(dist, file), 'utf8'), /^[\0-\x7f]*$/);
  const { pattern, text } = await load(dist, 'index.js');
  assert.equal(text, '2 µs… 😀');
  assert.ok((pattern as RegExp).test(text as string));
});

test('a class that several files use is one class', async () => {
  const dist = await bundled();
  const { LsmError, later } = await load(dist, 'index.js');
  const { fail } = await load(dist, 'threads/worker.js');
  const { repair } = await (later as () => Promise<{ repair: () => Error }>)();
  for (const make of [fail as () => Error, repair])
    assert.ok(make() instanceof (LsmError as new () => Error));
  assert.equal(
    (fail as () => Error)().message,
    'packed',
    'what a package carries of libraries stays beside it',
  );
});

test('what is imported of JSON stays a file beside it', async () => {
  const { type } = await load(await bundled(), 'index.js');
  assert.equal(type, 'module');
});

test('a module has the address that it had, in whichever file it is', async () => {
  const dist = await bundled();
  const { ownFolder, workerUrl } = await load(dist, 'index.js');
  assert.equal(workerUrl, pathToFileURL(path.join(dist, 'threads', 'worker.js')).href);
  assert.equal(path.resolve(ownFolder as string), path.join(dist, 'threads'));
});

test('maps lead to the sources', async () => {
  const dist = await bundled();
  const { sources } = JSON.parse(readFileSync(path.join(dist, 'index.js.map'), 'utf8')) as {
    sources: readonly string[];
  };
  assert.ok(sources.map((source) => path.resolve(dist, source)).includes('/sources/threads/pool.js'));
});

test('a module that is not there, or asks for what the bundle does not know, is an error', async () => {
  for (const code of [
    "export { a } from './missing.js';",
    "export { missing } from '../errors.js';",
    'export const a = import.meta.filename;',
  ])
    await assert.rejects(
      bundle(write({ ...MODULES, 'threads/worker.js': code }), ['index', 'threads/worker']),
      code,
    );
});
