/**
 * `npm run package:check`: builds and packs both packages, judges what is in them, installs them as users do, tries them
 * on each Node that they are for, and says what they cost beside others. It needs the registry of npm, but for --quick.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PACKAGE_NAMES, type PackageName } from '../../deploy/packages/packages.ts';
import { count, script } from '../support/script-flags.ts';
import { emulatedNode } from './arm64.ts';
import { contentFaults } from './contents.ts';
import { costTable } from './cost-table.ts';
import { lintFaults } from './lint.ts';
import {
  addPackage,
  type Installation,
  install,
  installationFaults,
  installNode,
  installOtherRuntimes,
  pack,
  type Tarball,
} from './npm.ts';
import {
  assertEngineRefuses,
  assertRefuses,
  tryCluster,
  tryCommands,
  tryEngine,
  tryExamples,
  tryFeatures,
  tryLevel,
} from './trials.ts';
import { typeFaults } from './types.ts';

interface Flags {
  readonly quick: boolean;
  readonly rounds: number;
}

/** The oldest that each package is for, and the newest of each line that is maintained. */
const NODES_OF_ENGINE = ['22.15.0', '22', '24', '26'];
const NODES_OF_PROGRAM = ['24.0.0', '24', '26'];
const TOO_OLD = '22';
const TOO_OLD_FOR_ENGINE = '20';
/** Its threads share no descriptors. */
const LIMITS_OF_DENO = { 'reads of what the writer has removed': 'fails with IO_ERROR until refresh()' };
const ABSTRACT_LEVEL = '3.1.1';
const OTHERS = ['classic-level@3.0.0', 'lmdb@3.5.6', 'harperdb@4.7.29'];

const { quick, rounds } = script('package:check', 'Builds, packs, installs and tries both packages.')
  .option('--quick', 'only what needs no installing: contents, publint, attw', false)
  .option('--rounds <n>', 'how often each is installed; the least time counts', count, 1)
  .parse()
  .opts<Flags>();

const folder = await mkdtemp(path.join(tmpdir(), 'quorate-packages-'));
try {
  const tarballs = new Map<PackageName, Tarball>();
  for (const name of PACKAGE_NAMES) tarballs.set(name, await packed(name));
  if (!quick) await installAndTry(tarballs);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function packed(name: PackageName): Promise<Tarball> {
  const tarball = await pack(name, folder);
  refuse([...contentFaults(name, tarball.files), ...(await lintFaults(name, tarball.path))]);
  console.log(
    `${name}: ${tarball.files.length} files, ${(tarball.sizeBytes / 1000).toFixed(0)} kB packed: as it should be`,
  );
  return tarball;
}

async function installAndTry(tarballs: ReadonlyMap<PackageName, Tarball>): Promise<void> {
  const nodes = new Map<string, string>();
  for (const version of new Set([...NODES_OF_ENGINE, ...NODES_OF_PROGRAM, TOO_OLD, TOO_OLD_FOR_ENGINE])) {
    nodes.set(version, await installNode(version, path.join(folder, `node-${version}`)));
  }
  const nodeOf = (version: string): string => nodes.get(version) as string;
  const costs: Installation[] = [];
  for (const [name, tarball] of tarballs) {
    const installed = await installedInRounds(name, tarball.path);
    refuse(installationFaults(name, installed));
    costs.push(installed);
  }
  const [engine, program] = costs;
  await addPackage(`abstract-level@${ABSTRACT_LEVEL}`, engine.folder);
  refuse(await typeFaults(engine.folder));
  for (const version of NODES_OF_ENGINE) {
    const { importMs, requireMs } = await tryEngine(nodeOf(version), engine.folder);
    await tryLevel(nodeOf(version), engine.folder);
    const ms = `${importMs.toFixed(0)} ms by import, ${requireMs.toFixed(0)} ms by require`;
    console.log(`native-free-lsm on Node ${version}: opens in ${ms}, writes, reads and opens again`);
  }
  assertEngineRefuses(nodeOf(TOO_OLD_FOR_ENGINE), engine.folder);
  console.log(`native-free-lsm on Node ${TOO_OLD_FOR_ENGINE}: says in a sentence which Node it needs`);
  const runtimes: [string, string[]][] = [['Node 24', [nodeOf('24')]]];
  for (const [name, runtime] of await installOtherRuntimes(path.join(folder, 'others'))) {
    runtimes.push([name, name === 'Deno' ? [runtime, 'run', '--allow-all'] : [runtime]]);
  }
  for (const [name, command] of runtimes) {
    const limits = name === 'Deno' ? LIMITS_OF_DENO : {};
    refuse(await tryFeatures(command, engine.folder, limits));
    const programs = await tryExamples(command, engine.folder);
    const but = Object.entries(limits).map(([feature, result]) => ` (but ${feature}: ${result})`);
    console.log(
      `native-free-lsm on ${name}: every feature works${but.join('')}, and all ${programs} programs of its manual`,
    );
  }
  const arm = await emulatedNode('26', path.join(folder, 'node-arm64'));
  if (typeof arm !== 'string') refuse(await tryFeatures(arm, engine.folder));
  console.log(
    `native-free-lsm on Node 26 for ARM64, emulated: ${typeof arm === 'string' ? arm : 'every feature works'}`,
  );
  for (const version of NODES_OF_PROGRAM) {
    const { startMs } = await tryCluster(nodeOf(version), program.folder);
    await tryCommands(nodeOf(version), program.folder);
    console.log(`npx quorate on Node ${version}: three nodes serve after ${startMs.toFixed(0)} ms`);
  }
  for (const [name, command] of [[`Node ${TOO_OLD}`, [nodeOf(TOO_OLD)]] as const, ...runtimes.slice(1)]) {
    assertRefuses(command, program.folder, name);
    console.log(`quorate on ${name}: says in a sentence which Node it needs`);
  }
  for (const what of OTHERS) costs.push(await installedInRounds(what.replace(/@.*/, ''), what));
  console.log(costTable(costs));
}

async function installedInRounds(name: string, what: string): Promise<Installation> {
  const runs: Installation[] = [];
  for (let round = 0; round < rounds; round++) {
    runs.push(await install(name, what, path.join(folder, `${name}-${round}`)));
  }
  return runs.reduce((best, run) => (run.seconds < best.seconds ? run : best));
}

function refuse(faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`the packages are not as they should be:\n${faults.join('\n')}`);
}
