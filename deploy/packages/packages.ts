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
