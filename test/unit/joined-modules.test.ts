/** The files that a thread of a built engine loads: each is several modules in one. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { joinThreads } from '../../deploy/packages/joined-modules.ts';
import { JOINED_FILES } from '../../deploy/packages/packages.ts';

const root = mkdtempSync(path.join(tmpdir(), 'joined-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** As the compiler writes them: a worker, what all roles share, and a role with every form of import and export. */
const MODULES: Readonly<Record<string, string>> = {
  'package.json': '{ "type": "module" }',
  'errors.js': 'export class Fault extends Error {\n}\n',
  'format/a.js': [
    "import zlib, {} from 'node:zlib';",
    'const LENGTH = 4;',
    'export const lengthOfA = LENGTH;',
    'export function crc(bytes) {\n    return zlib.crc32(bytes);\n}',
    '//# sourceMappingURL=a.js.map',
  ].join('\n'),
  'format/b.js': [
    "import * as path from 'node:path';",
    "export { crc, lengthOfA as passedOn } from './a.js';",
    'const LENGTH = 5;',
    'const own = path.posix.sep;',
    'export { own as separator };',
    'export async function later() {\n    return LENGTH;\n}',
  ].join('\n'),
  'threads/worker.js': [
    "import { Fault } from '../errors.js';",
    "export const roles = { jobs: () => import('./jobs.js'), reader: () => import('./reader.js'), writer: () => import('./writer.js') };",
    'export { Fault };',
  ].join('\n'),
  'threads/jobs.js': [
    "import { Fault } from '../errors.js';",
    "import { later as lengthOfB, crc, passedOn, separator } from '../format/b.js';",
    "import { lengthOfA } from '../format/a.js';",
    'export function run() {\n    return { crc: crc(Buffer.from("a")), lengthOfA, passedOn, separator };\n}',
    'export const lengthsOfB = [lengthOfB];',
    'export class Failed extends Fault {\n}',
  ].join('\n'),
  'threads/reader.js': 'export class ReaderRole {\n}\n',
  'threads/writer.js':
    "import { later } from '../format/b.js';\nexport class WriterRole {\n    later = later;\n}\n",
};

let engine = root;
let count = 0;

function write(modules: Readonly<Record<string, string>>): void {
  // Another folder each time, as a module is loaded once.
  engine = path.join(root, `${count++}`);
  for (const [file, code] of Object.entries(modules)) {
    mkdirSync(path.dirname(path.join(engine, file)), { recursive: true });
    writeFileSync(path.join(engine, file), code);
  }
}

const load = (file: string): Promise<Record<string, unknown>> =>
  import(pathToFileURL(path.join(engine, file)).href);

describe('modules that were joined', () => {
  beforeEach(() => write(MODULES));

  test('have the names and values that they have one by one', async () => {
    const apart = await load('threads/jobs.js');
    joinThreads(engine);
    const together = await load('threads/jobs.joined.js');
    assert.deepEqual(Object.keys(together), Object.keys(apart));
    const run = (of: Record<string, unknown>) => (of.run as () => unknown)();
    assert.deepEqual(run(together), { crc: 0xe8b7be43, lengthOfA: 4, passedOn: 4, separator: '/' });
    assert.deepEqual(run(together), run(apart));
    assert.equal(await (together.lengthsOfB as (() => Promise<number>)[])[0](), 5);
  });

  test('share with the worker what it has loaded itself', async () => {
    joinThreads(engine);
    const { Fault, roles } = await load('threads/worker.js');
    const { Failed } = await (roles as { jobs: () => Promise<{ Failed: new () => Error }> }).jobs();
    assert.ok(new Failed() instanceof (Fault as new () => Error));
  });

  test('are what the worker loads', async () => {
    joinThreads(engine);
    const { roles } = await load('threads/worker.js');
    for (const [role, loadRole] of Object.entries(roles as Record<string, () => Promise<unknown>>)) {
      assert.ok(JOINED_FILES.includes(`threads/${role}.joined.js`), role);
      assert.equal(await loadRole(), await load(`threads/${role}.joined.js`), role);
    }
  });
});

describe('modules are not joined', () => {
  test('when one has a form that is not known', () => {
    for (const code of [
      'export default 1;',
      'export let changes = 1;',
      "export * from './a.js';",
      "import './a.js';",
    ]) {
      write({ ...MODULES, 'format/b.js': code });
      assert.throws(() => joinThreads(engine), /b\.js cannot be joined/, code);
    }
  });

  test('when the worker does not load all of them', () => {
    write({ ...MODULES, 'threads/worker.js': "export const jobs = () => import('./jobs.js');\n" });
    assert.throws(() => joinThreads(engine), /worker\.js does not load .*reader\.js/);
  });
});
