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
/** Where the compiled engine is in its `dist`. */
export const ENGINE_IN_DIST: Readonly<Record<PackageName, string>> = {
  'native-free-lsm': '',
  quorate: 'native-free-lsm',
};
/**
 * What a thread of the engine loads for its role, beside what all have: one file that has in it all that the one without
 * `.joined` in its name imports.
 */
export const JOINED_FILES: readonly string[] = [
  'threads/jobs.joined.js',
  'threads/reader.joined.js',
  'threads/writer.joined.js',
];
