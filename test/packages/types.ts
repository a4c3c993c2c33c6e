/** The engine's declarations, as a program of a user's sees them. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PROJECT } from '../../deploy/packages/packages.ts';
import { installedFolder } from '../../src/cli/page-files.ts';

const PROGRAM = `import { type Engine, LsmError, open } from 'native-free-lsm';
import { NativeFreeLevel } from 'native-free-lsm/level';
import { MemoryFileSystem } from 'native-free-lsm/simulation';

export async function copy(directory: string, key: Uint8Array): Promise<Uint8Array | undefined> {
  await using engine: Engine = await open(directory, { durability: 'interval' });
  try {
    return await engine.get(key);
  } catch (error) {
    if (error instanceof LsmError && error.code === 'CORRUPTION') return undefined;
    throw error;
  }
}
export const disk = new MemoryFileSystem();
export const level = new NativeFreeLevel<string, { colour: string }>('level', { valueEncoding: 'json' });
export const put = (engine: Engine): Promise<void> => engine.put('key', Buffer.from('value'));
// @ts-expect-error: keys are bytes or strings
export const wrong = (engine: Engine): Promise<void> => engine.put(17, 'value');
`;

/** @param folder where the package is installed */
export async function typeFaults(folder: string): Promise<string[]> {
  const compiler = path.join(installedFolder('typescript', []), 'bin', 'tsc');
  await writeFile(path.join(folder, 'program.mts'), PROGRAM);
  const faults: string[] = [];
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    const flags = ['--strict', '--noEmit', '--target', 'esnext', '--types', 'node'];
    const where = ['--typeRoots', path.join(PROJECT, 'node_modules', '@types')];
    const how = ['--module', module, '--moduleResolution', moduleResolution];
    const { status, stdout } = spawnSync(
      process.execPath,
      [compiler, ...flags, ...where, ...how, path.join(folder, 'program.mts')],
      { cwd: folder, encoding: 'utf8' },
    );
    if (status !== 0) faults.push(`native-free-lsm: its declarations, by ${moduleResolution}: ${stdout}`);
  }
  return faults;
}
