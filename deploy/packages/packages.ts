/** The packages that users install, and where they are made. */
import path from 'node:path';

export const PACKAGE_NAMES = ['native-free-lsm', 'quorate'] as const;
export type PackageName = (typeof PACKAGE_NAMES)[number];

export const PROJECT = path.join(import.meta.dirname, '..', '..');
/** The folder of its package.json. */
export const FOLDERS: Readonly<Record<PackageName, string>> = {
  'native-free-lsm': path.join(PROJECT, 'native-free-lsm'),
  quorate: PROJECT,
};
/** The modules that are loaded by their address, without `.js`: by who imports the package, as a program, or for a thread. */
export const ENTRIES: Readonly<Record<PackageName, readonly string[]>> = {
  'native-free-lsm': ['index', 'level/index', 'simulation/index', 'threads/worker'],
  quorate: [
    'native-free-lsm/threads/worker',
    'src/cli/bin',
    'src/cli/fill/worker',
    'src/cli/load/worker',
    'src/cli/serve/node-process',
    'src/cli/simulate/worker',
    'src/http/encoders/chunks',
    'src/http/encoders/msgpack',
    'src/simulation/world/entry-encoder',
  ],
};
