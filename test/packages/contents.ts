/** What each tarball holds, to the file: told from the sources and from what is vendored, and not from the build. */
import { globSync } from 'node:fs';
import path from 'node:path';
import { ENGINE_IN_DIST, FOLDERS, JOINED_FILES, type PackageName } from '../../deploy/packages/packages.ts';
import { vendoredBy } from '../../deploy/packages/vendored.ts';
import { installedFolder } from '../../src/cli/page-files.ts';

const DOCUMENTS: Readonly<Record<PackageName, readonly string[]>> = {
  'native-free-lsm': [
    'API.md',
    'DESIGN.md',
    'FORMAT.md',
    'LICENSE',
    'MANUAL.md',
    'MIGRATION.md',
    'README.md',
    'package.json',
  ],
  quorate: ['LICENSE', 'README.md', 'package.json', 'dist/package.json'],
};
/** Of each source. The program has nothing to import, so nobody could use its declarations. */
const ENDINGS: Readonly<Record<PackageName, readonly string[]>> = {
  'native-free-lsm': ['.js', '.js.map', '.d.ts'],
  quorate: ['.js', '.js.map'],
};
const SOURCES: Readonly<Record<PackageName, readonly string[]>> = {
  'native-free-lsm': ['**/*.ts'],
  quorate: ['src/**/*.ts', 'native-free-lsm/**/*.ts'],
};

/** What is built: the program has no use for the engine behind abstract-level. */
const LEFT_OUT: Readonly<Record<PackageName, readonly string[]>> = {
  'native-free-lsm': ['**/dist', '**/node_modules'],
  quorate: ['**/dist', '**/node_modules', 'native-free-lsm/level'],
};

/** @returns paths in the package, sorted */
export function expectedFiles(name: PackageName): string[] {
  const sources = globSync(SOURCES[name], { cwd: FOLDERS[name], exclude: LEFT_OUT[name] });
  const compiled = sources.flatMap((source) =>
    ENDINGS[name].map((ending) => `dist/${source.replace(/\.ts$/, ending)}`),
  );
  const vendored = vendoredBy(name).flatMap((library) => {
    const files = globSync(library.files, { cwd: installedFolder(library.name, library.broughtBy) });
    return [...files, 'LICENSE', 'package.json'].map((file) => `dist/vendor/${library.name}/${file}`);
  });
  const joined = JOINED_FILES.map((file) => path.join('dist', ENGINE_IN_DIST[name], file));
  return [...DOCUMENTS[name], ...compiled, ...joined, ...vendored]
    .map((file) => file.replaceAll('\\', '/'))
    .sort();
}

/** @returns a sentence for each file that is missing or does not belong there */
export function contentFaults(name: PackageName, files: readonly string[]): string[] {
  const expected = new Set(expectedFiles(name));
  const found = new Set(files);
  return [
    ...[...expected.difference(found)].map((file) => `${name}: ${file} is not in the tarball`),
    ...[...found.difference(expected)].map((file) => `${name}: ${file} is in the tarball, and should not be`),
  ];
}
