/**
 * What each tarball holds, told from the sources and from what is vendored, and not from the build. Which modules share
 * a file is the bundler's to say; that a file is missing shows when the packages are tried.
 */
import { globSync } from 'node:fs';
import { ENTRIES, FOLDERS, type PackageName } from '../../deploy/packages/packages.ts';
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
const SOURCES: Readonly<Record<PackageName, readonly string[]>> = {
  'native-free-lsm': ['**/*.ts'],
  quorate: ['src/**/*.ts', 'native-free-lsm/**/*.ts'],
};
/** What is built: the program has no use for the engine behind abstract-level. */
const LEFT_OUT: Readonly<Record<PackageName, readonly string[]>> = {
  'native-free-lsm': ['**/dist', '**/node_modules'],
  quorate: ['**/dist', '**/node_modules', 'native-free-lsm/level'],
};

/** @returns paths of the modules that a package is made of, without `.ts` */
export function modulesOf(name: PackageName): string[] {
  const sources = globSync(SOURCES[name], { cwd: FOLDERS[name], exclude: LEFT_OUT[name] });
  return sources.map((source) => source.replaceAll('\\', '/').replace(/\.ts$/, ''));
}

/** @returns paths in the package of what it has in any case */
export function expectedFiles(name: PackageName): string[] {
  const vendored = vendoredBy(name).flatMap((library) => {
    const files = globSync(library.files, { cwd: installedFolder(library.name, library.broughtBy) });
    const carried = [...files, 'LICENSE', 'package.json'];
    return carried.map((file) => `dist/vendor/${library.name}/${file.replaceAll('\\', '/')}`);
  });
  // The program has nothing to import, so nobody could use its declarations.
  const declarations = name === 'quorate' ? [] : modulesOf(name).map((module) => `dist/${module}.d.ts`);
  return [...DOCUMENTS[name], ...declarations, ...ENTRIES[name].flatMap(filesOf), ...vendored];
}

/** @returns a sentence for each file that is missing or does not belong there */
export function contentFaults(name: PackageName, files: readonly string[]): string[] {
  const expected = new Set(expectedFiles(name));
  // Modules that share a file have the name of one of them.
  const allowed = expected.union(new Set(modulesOf(name).flatMap(filesOf)));
  const found = new Set(files);
  return [
    ...[...expected.difference(found)].map((file) => `${name}: ${file} is not in the tarball`),
    ...[...found.difference(allowed)].map((file) => `${name}: ${file} is in the tarball, and should not be`),
  ];
}

function filesOf(module: string): string[] {
  return [`dist/${module}.js`, `dist/${module}.js.map`];
}
