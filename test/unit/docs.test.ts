/** The documents, held to the sources: what they name exists, and the request paths lead where they say. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type Document,
  filesOf,
  MAX_FILES_OF_A_PATH,
  namedFilesExist,
  namedScriptsExist,
  requestPathsHold,
  requestPathsIn,
} from '../support/doc-rules.ts';
import { scanSource } from '../support/source-scan.ts';
import type { Sources } from '../support/structure-rules.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TOP_FOLDERS = ['src', 'native-free-lsm', 'test', 'bench', 'deploy', 'docs'];

function projectFiles(): string[] {
  const top = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isFile());
  const inside = TOP_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  return [...top.map(({ name }) => name), ...inside.map((path) => path.replaceAll('\\', '/'))].filter(
    (path) => !/(?:^|\/)(?:node_modules|dist)\//.test(path),
  );
}

function read(path: string): Document {
  return { path, text: readFileSync(join(ROOT, path), 'utf8') };
}

function sourcesOf(texts: Readonly<Record<string, string>>): Sources {
  return new Map(Object.entries(texts).map(([path, text]) => [path, scanSource(path, text)]));
}

describe('documents', () => {
  const files = projectFiles();
  const documents = files.filter((path) => path.endsWith('.md'));
  const { scripts } = JSON.parse(read('package.json').text) as { readonly scripts: Record<string, string> };

  test('were found', () => {
    for (const path of [
      'README.md',
      'src/ARCHITECTURE.md',
      'native-free-lsm/FORMAT.md',
      'src/rpc/FORMAT.md',
    ]) {
      assert.ok(documents.includes(path), path);
    }
  });

  for (const path of documents) {
    test(`${path} names only files that exist`, () => {
      assert.deepEqual(namedFilesExist(read(path), files), []);
    });

    test(`${path} names only scripts that exist`, () => {
      assert.deepEqual(namedScriptsExist(read(path), Object.keys(scripts)), []);
    });
  }

  test('the request paths of ARCHITECTURE.md lead through the files they name, and these are few', (context) => {
    const document = read('src/ARCHITECTURE.md');
    const paths = requestPathsIn(document);
    assert.ok(
      paths.some(({ name }) => name.includes('GET')) && paths.some(({ name }) => name.includes('PUT')),
    );
    for (const { name, steps } of paths) {
      const count = filesOf(steps, 'src/');
      context.diagnostic(`${name}: ${count} files of src, ${MAX_FILES_OF_A_PATH} is the bound`);
    }
    const named = new Set(paths.flatMap(({ steps }) => steps.map(({ file }) => file)));
    const sources = sourcesOf(
      Object.fromEntries(
        [...named].filter((path) => files.includes(path)).map((path) => [path, read(path).text]),
      ),
    );
    assert.deepEqual(requestPathsHold(document, sources), []);
  });
});

describe('each rule finds what breaks it', () => {
  const files = ['README.md', 'src/a/b.ts', 'src/c.ts', 'src/FORMAT.md'];
  const broken = (text: string, path = 'src/DOC.md'): string[] =>
    namedFilesExist({ path, text }, files).map((line) => line.replace(/, which.*/, ''));

  test('a file that is gone', () => {
    assert.deepEqual(broken('see `b.ts`\nand `a/d.ts`'), ['src/DOC.md:2: names a/d.ts']);
  });

  test('a name that is only the end of another', () => {
    assert.deepEqual(broken('`.ts` files, and `ab/b.ts`'), ['src/DOC.md:1: names ab/b.ts']);
  });

  test('a folder, a file in a command, a link', () => {
    assert.deepEqual(broken('`a/`, `gone/`'), ['src/DOC.md:1: names gone/']);
    assert.deepEqual(broken('`npx node --test src/e.ts "src/*.test.ts"`'), ['src/DOC.md:1: names src/e.ts']);
    assert.deepEqual(broken('[b](FORMAT.md#x), [c](../README.md), [d](README.md), [e](https://x/y)'), [
      'src/DOC.md:1: names README.md',
    ]);
  });

  test('a script that is gone', () => {
    const text = '`npm run a:b -- --c`\n```\nnpm run gone\n```';
    assert.deepEqual(namedScriptsExist({ path: 'DOC.md', text }, ['a:b']), [
      'DOC.md:3: there is no script gone',
    ]);
  });

  test('but not what stands in an example', () => {
    assert.deepEqual(broken('```\n`gone.ts`\n```\n`gone.md`'), ['src/DOC.md:4: names gone.md']);
  });

  const sources = sourcesOf({
    'src/a.ts': 'export function handle(): void {\n  this.#services.read(1);\n}\n',
    'src/b.ts': 'export class B {\n  read(n: number): void {\n    super.send(n);\n  }\n}\n',
    'src/c.ts': 'export class C {\n  readonly send = (): void => {};\n  last(): void {}\n  // read(\n}\n',
  });
  const hold = (...steps: string[]): string[] =>
    requestPathsHold(
      { path: 'src/DOC.md', text: `## A GET\n\n${steps.map((step, i) => `${i + 1}. ${step}`).join('\n')}\n` },
      sources,
    );

  test('a path that holds', () => {
    assert.deepEqual(hold('`a.ts` `handle` x', '`b.ts` `read` y', '`c.ts` `send`: z'), []);
  });

  test('a file or a function that is gone, and a call that nobody makes', () => {
    assert.deepEqual(hold('`a.ts` `handle`', '`d.ts` `read`'), ['src/DOC.md:4: src/d.ts does not exist']);
    assert.deepEqual(hold('`a.ts` `handle`', '`b.ts` `write`'), [
      'src/DOC.md:4: src/b.ts has no function write',
    ]);
    assert.deepEqual(hold('`a.ts` `handle`', '`c.ts` `last`'), [
      'src/DOC.md:4: src/c.ts: no file before it in the list calls last',
    ]);
    assert.deepEqual(hold('`c.ts` `last`', '`b.ts` `read`'), [
      'src/DOC.md:4: src/b.ts: no file before it in the list calls read',
    ]);
  });

  test('a declaration is no call', () => {
    assert.deepEqual(hold('`b.ts` `read`', '`b.ts` `read`'), [
      'src/DOC.md:4: src/b.ts: no file before it in the list calls read',
    ]);
  });

  test('too many files', () => {
    const steps = Array.from({ length: MAX_FILES_OF_A_PATH + 1 }, (_, i) => `\`f${i}.ts\` \`f\``);
    assert.match(hold(...steps)[0], /src\/DOC\.md:1: A GET goes through 15 files/);
  });
});
