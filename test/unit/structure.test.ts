/** The project's layout as a test: its rules over its own sources, and each rule over a source that breaks it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { strayFiles } from '../support/repository-files.ts';
import { type ScannedSource, scanSource } from '../support/source-scan.ts';
import {
  addressesFollowTheBuild,
  atomicsSayWhy,
  countOfExports,
  engineRunsOnNode22,
  everyTestRuns,
  exportsAreUsed,
  fewOpenTheEngine,
  filesAboveTheAim,
  filesStayShort,
  importsHaveNoCycles,
  importsNameTheirFile,
  importsRunDownward,
  isPure,
  msgpackrWithoutItsNativePart,
  namesAreDeclaredOnce,
  nothingIsAny,
  pureFilesOnlyCompute,
  type Rule,
  type Sources,
  socketsAreResetInOnePlace,
  timeAndChanceComeFromTheClock,
  USED_BY_TESTS_ALONE,
} from '../support/structure-rules.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function readSources(): Sources {
  const sources = new Map<string, ScannedSource>();
  for (const top of ['src', 'native-free-lsm', 'test', 'bench', 'deploy', 'cli.ts']) {
    const names = top.endsWith('.ts')
      ? [top]
      : readdirSync(join(ROOT, top), { recursive: true, encoding: 'utf8' });
    for (const name of names) {
      const path = (name === top ? top : join(top, name)).replaceAll('\\', '/');
      if (!path.endsWith('.ts') || /(?:^|\/)(?:node_modules|dist)\//.test(path)) continue;
      sources.set(path, scanSource(path, readFileSync(join(ROOT, path), 'utf8')));
    }
  }
  return sources;
}

function planted(files: Readonly<Record<string, string>>): Sources {
  return new Map(Object.entries(files).map(([path, text]) => [path, scanSource(path, text)]));
}

const RULES: readonly (readonly [string, Rule])[] = [
  ['imports run downward', importsRunDownward],
  ['imports have no cycles', importsHaveNoCycles],
  ['imports name a file that is there, with .ts', importsNameTheirFile],
  ['msgpackr is loaded without its native part', msgpackrWithoutItsNativePart],
  ['no file is too long', filesStayShort],
  ['time and chance come from the clock files', timeAndChanceComeFromTheClock],
  ['sockets are reset in one place', socketsAreResetInOnePlace],
  ['nothing is any', nothingIsAny],
  ['pure files only compute', pureFilesOnlyCompute],
  ['every call of Atomics has its reason beside it', atomicsSayWhy],
  ['the engine uses nothing that Node 22 does not have', engineRunsOnNode22],
  ['addresses of modules follow the build', addressesFollowTheBuild],
  ['every test runs', everyTestRuns],
  ['what is exported is used', exportsAreUsed(USED_BY_TESTS_ALONE)],
  ['a type or constant of one name is exported in one place', namesAreDeclaredOnce],
  ['only node/data-folder.ts and the offline commands open the engine', fewOpenTheEngine],
];

describe('structure', () => {
  const sources = readSources();
  for (const [name, rule] of RULES) {
    test(name, (context) => {
      if (rule === namesAreDeclaredOnce)
        context.diagnostic(`${countOfExports(sources)} exported types, classes and constants`);
      if (rule === filesStayShort) for (const line of filesAboveTheAim(sources)) context.diagnostic(line);
      assert.deepEqual(rule(sources), []);
    });
  }

  test('every value that is exported for tests alone is there, and needs its place in the list', () => {
    const listed = Object.keys(USED_BY_TESTS_ALONE);
    const found = exportsAreUsed({})(sources).map((line) => line.replace(/:\d+: exports ([\w$]+),.*/, ' $1'));
    assert.deepEqual(found.toSorted(), listed.toSorted());
  });

  test('nothing stray is in the repository', () => {
    // A copy without git has nothing to check.
    const kept = existsSync(join(ROOT, '.git'))
      ? execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 })
      : '';
    assert.deepEqual(strayFiles(kept.split('\0').filter((path) => path !== '')), []);
  });

  test('the sources were found, and among them the files that must be pure', () => {
    assert.ok(sources.has('src/node/node.ts'));
    assert.ok(sources.has('native-free-lsm/index.ts'));
    const pure = [...sources.values()].filter(isPure).map((source) => source.path);
    for (const path of ['src/replica/wholeness.ts', 'native-free-lsm/compaction/picker.ts']) {
      assert.ok(pure.includes(path), `${path} is not held to be pure`);
    }
    for (const folder of ['src/coordinator/', 'src/cluster/', 'src/rpc/']) {
      assert.ok(
        pure.some((path) => path.startsWith(folder)),
        `no file of ${folder} is held to be pure`,
      );
    }
  });
});

describe('each rule finds what breaks it', () => {
  const cases: readonly [string, Rule, Readonly<Record<string, string>>, readonly string[]][] = [
    ['upward', importsRunDownward, { 'src/rpc/a.ts': "import '../http/b.ts';" }, ['src/rpc/a.ts:1']],
    [
      'upward to the node',
      importsRunDownward,
      { 'src/http/a.ts': "import '../node/node.ts';" },
      ['src/http/a.ts:1'],
    ],
    [
      'a type upward',
      importsRunDownward,
      { 'src/rpc/a.ts': "\nimport type { B } from '../coordinator/b.ts';" },
      ['src/rpc/a.ts:2'],
    ],
    [
      'between siblings',
      importsRunDownward,
      { 'src/rpc/a.ts': "export { b } from '../replica/b.ts';" },
      ['src/rpc/a.ts:1'],
    ],
    [
      'a door to the coordinator',
      importsRunDownward,
      { 'src/http/a.ts': "import '../coordinator/b.ts';" },
      ['src/http/a.ts:1'],
    ],
    [
      'admission to a door',
      importsRunDownward,
      { 'src/admission/a.ts': "import '../http/b.ts';" },
      ['src/admission/a.ts:1'],
    ],
    [
      'a leaf upward',
      importsRunDownward,
      { 'src/clock.ts': "const a = await import('./rpc/a.ts');" },
      ['src/clock.ts:1'],
    ],
    [
      'a leaf in a folder upward',
      importsRunDownward,
      { 'src/config/a.ts': "import '../cluster/a.ts';" },
      ['src/config/a.ts:1'],
    ],
    [
      'a back door of the engine',
      importsRunDownward,
      { 'src/replica/a.ts': "import '../../native-free-lsm/fs/node-fs.ts';" },
      ['src/replica/a.ts:1'],
    ],
    [
      'the simulation of the engine, in a node',
      importsRunDownward,
      { 'src/node/a.ts': "import '../../native-free-lsm/simulation/index.ts';" },
      ['src/node/a.ts:1'],
    ],
    [
      'the engine outward',
      importsRunDownward,
      { 'native-free-lsm/a.ts': "import '../src/clock.ts';" },
      ['native-free-lsm/a.ts:1'],
    ],
    [
      'tests in the product',
      importsRunDownward,
      { 'src/a.ts': "import '../test/support/a.ts';" },
      ['src/a.ts:1'],
    ],
    [
      'a cycle of three',
      importsHaveNoCycles,
      { 'test/a.ts': "import './b.ts';", 'test/b.ts': "import './c.ts';", 'test/c.ts': "import './a.ts';" },
      ['test/a.ts:1'],
    ],
    ['no .ts', importsNameTheirFile, { 'test/a.ts': "import './b';", 'test/b.ts': '' }, ['test/a.ts:1']],
    ['not there', importsNameTheirFile, { 'src/a.ts': "import './b.ts';" }, ['src/a.ts:1']],
    [
      'msgpackr',
      msgpackrWithoutItsNativePart,
      { 'bench/a.ts': "import { pack } from 'msgpackr';" },
      ['bench/a.ts:1'],
    ],
    [
      'msgpackr/node',
      msgpackrWithoutItsNativePart,
      { 'src/a.ts': "await import('msgpackr/node');" },
      ['src/a.ts:1'],
    ],
    ['801 lines', filesStayShort, { 'src/a.ts': '\n'.repeat(801) }, ['src/a.ts:800']],
    [
      'Date.now',
      timeAndChanceComeFromTheClock,
      { 'src/a.ts': 'const a = 1;\nconst b = Date.now();' },
      ['src/a.ts:2'],
    ],
    [
      'in a template',
      timeAndChanceComeFromTheClock,
      { 'src/a.ts': 'const a = `x#{`#{Math.random()}`}`;'.replaceAll('#', '$') },
      ['src/a.ts:1'],
    ],
    [
      'after a regex',
      timeAndChanceComeFromTheClock,
      { 'src/a.ts': 'const a = /["\'`]/.test(b) || setTimeout(c, 1);' },
      ['src/a.ts:1'],
    ],
    [
      'after a division',
      timeAndChanceComeFromTheClock,
      { 'src/a.ts': 'const a = b / c; setImmediate(d); const e = f / g;' },
      ['src/a.ts:1'],
    ],
    [
      'by globalThis',
      timeAndChanceComeFromTheClock,
      { 'src/a.ts': 'globalThis.setInterval(a, 1);' },
      ['src/a.ts:1'],
    ],
    ['new Date()', timeAndChanceComeFromTheClock, { 'src/a.ts': 'const a = new Date();' }, ['src/a.ts:1']],
    [
      'performance.now',
      timeAndChanceComeFromTheClock,
      { 'native-free-lsm/a.ts': 'performance.now()' },
      ['native-free-lsm/a.ts:1'],
    ],
    [
      'node:timers',
      timeAndChanceComeFromTheClock,
      { 'src/a.ts': "import { setTimeout as a } from 'node:timers/promises';" },
      ['src/a.ts:1', 'src/a.ts:1'],
    ],
    [
      'any',
      nothingIsAny,
      { 'src/a.ts': 'let a: any;\nlet b = c as any;\nlet d: Map<string, any>;\nlet e: any[];' },
      ['src/a.ts:1', 'src/a.ts:2', 'src/a.ts:3', 'src/a.ts:4'],
    ],
    [
      'a socket reset',
      socketsAreResetInOnePlace,
      { 'src/a.ts': "'resetAndDestroy';\nb.socket.resetAndDestroy();", 'test/a.ts': 'b?.resetAndDestroy();' },
      ['src/a.ts:2', 'test/a.ts:1'],
    ],
    [
      'a pure name',
      pureFilesOnlyCompute,
      { 'src/coordinator/quorum.ts': "import 'node:fs';" },
      ['src/coordinator/quorum.ts:1'],
    ],
    [
      'a pure header',
      pureFilesOnlyCompute,
      { 'src/a.ts': "/** Pure. */\nimport { c } from './clock.ts';", 'src/clock.ts': '' },
      ['src/a.ts:2'],
    ],
    [
      'by another file',
      pureFilesOnlyCompute,
      { 'src/a.ts': "/** Pure: yes. */\nimport './b.ts';", 'src/b.ts': "\n\nimport 'node:net';" },
      ['src/a.ts:3'],
    ],
    [
      'Atomics without a reason',
      atomicsSayWhy,
      {
        'native-free-lsm/a.ts':
          'a();\nAtomics.store(b, 0, 1);\n// Release: c.\nAtomics.load(b, 0);\nd();\nAtomics.load(b, 1);\ne();\nf();\nAtomics.wait(b, 0, 1);',
      },
      ['native-free-lsm/a.ts:2', 'native-free-lsm/a.ts:9'],
    ],
    [
      'Atomics behind a string that looks like a reason',
      atomicsSayWhy,
      { 'src/a.ts': "const a = 'x'; // unrelated\n\nb('//');\nif (Atomics.load(c, d('//')) === 1) e();" },
      ['src/a.ts:4'],
    ],
    [
      'newer than Node 22',
      engineRunsOnNode22,
      {
        'native-free-lsm/a.ts': 'a();\nconst b = new AsyncDisposableStack();\nlet c: DisposableStack;',
        'src/a.ts': 'new AsyncDisposableStack();',
      },
      ['native-free-lsm/a.ts:2', 'native-free-lsm/a.ts:3'],
    ],
    [
      'an address that ends with .ts',
      addressesFollowTheBuild,
      {
        'src/a.ts': "a();\nnew URL('./b.ts', import.meta.url);",
        'native-free-lsm/a.ts': 'new URL(`./b.ts`, c)',
      },
      ['src/a.ts:2', 'native-free-lsm/a.ts:1'],
    ],
    [
      'skip',
      everyTestRuns,
      { 'test/a.ts': "test('a', () => {});\ntest.skip('b', () => {});\ntest('c', { todo: true });" },
      ['test/a.ts:2', 'test/a.ts:3'],
    ],
    [
      'exported for nobody',
      exportsAreUsed({}),
      {
        'src/a.ts': "import { b } from './b.ts';\nb();",
        'src/b.ts': 'export function b() {}\nexport const c = 1;\nexport interface B {}',
      },
      ['src/b.ts:2', 'src/b.ts:3'],
    ],
    [
      'exported for tests alone',
      exportsAreUsed({ 'src/b.ts c': 'why' }),
      {
        'test/a.ts': "import { b, c, type B } from '../src/b.ts';",
        'src/b.ts': 'export async function b() {}\nexport const c = 1;\nexport interface B {}',
      },
      ['src/b.ts:1'],
    ],
    [
      'a name used in another file than imports it',
      exportsAreUsed({}),
      { 'src/a.ts': 'b();', 'native-free-lsm/b.ts': 'export function b() {}' },
      ['native-free-lsm/b.ts:1'],
    ],
    [
      'two constants of one name',
      namesAreDeclaredOnce,
      {
        'src/a.ts':
          'export const A = {};\nexport type A = (typeof A)[keyof typeof A];\nexport function b() {}',
        'native-free-lsm/a.ts': 'export function b() {}\nexport interface A {}',
      },
      ['native-free-lsm/a.ts:2'],
    ],
    [
      'the store opened',
      fewOpenTheEngine,
      {
        'src/http/a.ts':
          "import { RecordStore } from '../../native-free-lsm/index.ts';\nRecordStore.open(a);",
      },
      ['src/http/a.ts:2'],
    ],
    [
      'the engine opened',
      fewOpenTheEngine,
      { 'src/cli/client/get.ts': "import { open } from '../../native-free-lsm/index.ts';\nawait open(a);" },
      ['src/cli/client/get.ts:1'],
    ],
  ];
  for (const [name, rule, files, places] of cases) {
    test(name, () => {
      const found = rule(planted(files));
      assert.deepEqual(
        found.map((line) => line.slice(0, line.indexOf(': '))),
        places,
      );
    });
  }

  test('stray files', () => {
    const found = strayFiles([
      'src/a.ts',
      'cli.ts',
      'data/node-1/LOCK',
      'test/.cache/v26/0a',
      'docs/b.tgz',
      'bench/distance.ts',
    ]);
    assert.deepEqual(found, [
      'data: has no place at the top level',
      'test/.cache/v26/0a: is made by a tool',
      'docs/b.tgz: is made by a tool',
    ]);
  });

  test('and nothing where nothing is broken', () => {
    const sources = planted({
      'cli.ts': "import('./src/cli/main.ts');",
      'src/cli/main.ts': "import { startNode } from '../node/node.ts';\nimport { a } from '../http/a.ts';",
      'src/simulation/a.ts':
        "import '../../native-free-lsm/simulation/index.ts';\nimport { startNode } from '../node/node.ts';",
      'src/cli/fill/tables.ts':
        "import { open, RecordStore } from '../../../native-free-lsm/index.ts';\nRecordStore.open(a);",
      'src/admission/b.ts': "import { e } from '../config/e.ts';",
      'src/node/node.ts':
        "import { b } from '../admission/b.ts';\nimport type { Status } from './status.ts';",
      'src/node/status.ts': '',
      'src/http/a.ts': "import type { B } from '../admission/b.ts';\nimport { pack } from 'msgpackr/pack';",
      'src/coordinator/b.ts': "import { c } from '../replica/c.ts';\nimport { d } from '../rpc/d.ts';",
      'src/replica/c.ts':
        "import { e } from '../config/e.ts';\nimport { f } from '../../native-free-lsm/index.ts';",
      'src/rpc/d.ts':
        "// import '../replica/c.ts'\n/* Date.now() */ const s = 'Date.now()'; clock.setTimeout; AbortSignal.any([]);",
      'src/config/e.ts': 'const kinds = { any: 1 }; const t = `setTimeout(#{kinds.any})`;'.replace('#', '$'),
      'src/clock.ts': 'Date.now(); setTimeout(a, 1);',
      'src/reset-socket.ts': 'a.resetAndDestroy();',
      'src/cluster/placement.ts':
        "import type { Random } from '../clock.ts';\nimport { crc32 } from 'node:zlib';",
      'src/coordinator/quorum.ts': "import { a } from '../../native-free-lsm/index.ts';",
      'native-free-lsm/index.ts': "import './engine.ts';",
      'native-free-lsm/engine.ts': "import 'node:fs';",
      'native-free-lsm/simulation/index.ts': '',
      'test/a.test.ts': "/* test.only */ test('skip: true', { skip: noProc }, () => { Date.now(); });",
      'native-free-lsm/b.ts':
        '/** Why: a. */\nconst b =\n  Atomics.load(c, 0) +\n  Atomics.load(c, 1);\nAtomics.notify(c, 0); // Why: d.',
      'bench/b.ts': "import '../src/node/node.ts'; setTimeout(a, 1);",
    });
    for (const [, rule] of RULES) assert.deepEqual(rule(sources), []);
  });
});
