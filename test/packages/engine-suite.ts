/**
 * `npm run package:suite`: the tests of the engine, and the engine itself, compiled as its package is but for the joining
 * into few files. So they run where it does, beginning with the oldest Node that it is for, which cannot run the sources.
 * `engine-suite.tsconfig.json` says which: `jitless.test.ts` is none of them, as it makes a package of the sources itself.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PROJECT } from '../../deploy/packages/packages.ts';
import { installedFolder } from '../../src/cli/page-files.ts';
import { count, script } from '../support/script-flags.ts';
import { installNode } from './npm.ts';

/** In node_modules, so that what the tests import is found. */
const COMPILED = path.join(PROJECT, 'node_modules', '.cache', 'engine-suite');
/** What tests read besides what they import. */
const READ_BY_TESTS = ['{package,*/package}.json', 'native-free-lsm/*.md'];
const TESTS = ['test/unit/native-free-lsm/**/*.test.js', 'test/{contract,crash}/**/*.test.js'];

interface Flags {
  readonly concurrency: number;
  readonly node: string;
}

const { concurrency, node: version } = script(
  'package:suite',
  'Runs the tests of the engine, compiled as its package is.',
)
  .option('--node <version>', 'on this Node, from the registry of npm', '22.15.0')
  .option('--concurrency <n>', 'test files at a time', count, 3)
  .parse()
  .opts<Flags>();

compile();
const folder = await mkdtemp(path.join(tmpdir(), 'quorate-engine-suite-'));
try {
  const node = await installNode(version, folder);
  const flags = [
    '--disable-warning=ExperimentalWarning',
    '--test',
    // A test that fails may leave an engine open, and its file would not end.
    '--test-force-exit',
    // At the end it says how many tests there were, and which of them have failed.
    '--test-reporter=spec',
    `--test-concurrency=${concurrency}`,
  ];
  // A thread of these tests loads more than a hundred modules.
  const env = { ...process.env, NODE_COMPILE_CACHE: path.join(folder, 'compiled') };
  process.exitCode =
    spawnSync(node, [...flags, ...TESTS], { cwd: COMPILED, env, stdio: 'inherit' }).status ?? 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

function compile(): void {
  rmSync(COMPILED, { recursive: true, force: true });
  const compiler = path.join(installedFolder('typescript', []), 'bin', 'tsc');
  const project = path.join(import.meta.dirname, 'engine-suite.tsconfig.json');
  const { status } = spawnSync(process.execPath, [compiler, '--project', project], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the tests do not compile');
  for (const file of globSync(READ_BY_TESTS, { cwd: PROJECT })) {
    mkdirSync(path.dirname(path.join(COMPILED, file)), { recursive: true });
    copyFileSync(path.join(PROJECT, file), path.join(COMPILED, file));
  }
  for (const file of globSync('test/**/*.js', { cwd: COMPILED })) nameCompiled(path.join(COMPILED, file));
}

/** Tests name modules by their addresses, too, which the compiler leaves as they are. */
function nameCompiled(file: string): void {
  const code = readFileSync(file, 'utf8');
  const named = code.replace(
    /(['"`])(\.{1,2}\/[\w./-]+)\.ts(\?[\w-]+)?\1/g,
    (whole, quote, name, query = '') => {
      const isThere = existsSync(path.join(path.dirname(file), `${name}.js`));
      return isThere ? `${quote}${name}.js${query}${quote}` : whole;
    },
  );
  if (named !== code) writeFileSync(file, named);
}
