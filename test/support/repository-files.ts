/** What is kept in the repository, by its files: `git ls-files`. Pure. */

/** What stands at the top: sources, and what tools look for there. */
const TOP_LEVEL = [
  '.ci',
  '.gitignore',
  '.npmrc',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'bench',
  'biome.json',
  'cli.ts',
  'deploy',
  'docs',
  'native-free-lsm',
  'package-lock.json',
  'package.json',
  'src',
  'test',
  'tsconfig.json',
];
/** What tools make, wherever they are run. */
const MADE_BY_TOOLS = /(?:^|\/)(?:node_modules|\.cache|dist|coverage)\/|\.(?:cache|heapsnapshot|log|tgz)$/;

/** @returns what is wrong, a line each: what has no place at the top, and what was made and not written */
export function strayFiles(paths: readonly string[]): string[] {
  const tops = new Set(paths.map((path) => path.split('/')[0]).filter((top) => !TOP_LEVEL.includes(top)));
  return [
    ...[...tops].map((top) => `${top}: has no place at the top level`),
    ...paths.filter((path) => MADE_BY_TOOLS.test(path)).map((path) => `${path}: is made by a tool`),
  ];
}
