/**
 * Makes what the packages carry in their folders `dist`: compiled JavaScript in few files, declarations and maps of the
 * sources, and the vendored parts of libraries.
 *
 *     node deploy/packages/build.ts [native-free-lsm] [quorate]
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { installedFolder } from '../../src/cli/page-files.ts';
import { bundle } from './bundle.ts';
import { ENTRIES, FOLDERS, PACKAGE_NAMES, type PackageName, PROJECT } from './packages.ts';
import { asPublished, type VendoredLibrary, vendoredBy } from './vendored.ts';

const PROGRAM_FILE = 'src/cli/bin.js';

const { positionals } = parseArgs({ allowPositionals: true });
for (const name of positionals.length === 0 ? PACKAGE_NAMES : positionals.map(packageName)) await build(name);

function packageName(name: string): PackageName {
  const found = PACKAGE_NAMES.find((known) => known === name);
  if (found === undefined) throw new Error(`there is no package ${name}: ${PACKAGE_NAMES.join(' or ')}`);
  return found;
}

async function build(name: PackageName): Promise<void> {
  const dist = path.join(FOLDERS[name], 'dist');
  rmSync(dist, { recursive: true, force: true });
  compile(name);
  for (const file of globSync('**/*.{js,d.ts}', { cwd: dist })) rewriteImports(dist, file);
  await bundle(dist, ENTRIES[name]);
  for (const library of vendoredBy(name)) copyLibrary(library, path.join(dist, 'vendor', library.name));
  if (name !== 'quorate') return;
  const { version } = readManifest(PROJECT);
  // The sources read the version two folders above src/cli, and Node reads there that these are ES modules.
  writeManifest(dist, { name, version, type: 'module' });
  chmodSync(path.join(dist, PROGRAM_FILE), 0o755);
}

/**
 * Declarations keep their comments, which editors show; a program has none. Code has no comments: Node holds the text of
 * what it runs in memory. What one run has checked is not checked again.
 */
function compile(name: PackageName): void {
  const isLibrary = name === 'native-free-lsm';
  if (isLibrary)
    runCompiler(name, '--emitDeclarationOnly', '--sourceMap', 'false', '--inlineSources', 'false');
  runCompiler(name, '--declaration', 'false', '--removeComments', '--noCheck', String(isLibrary));
}

function runCompiler(name: PackageName, ...flags: string[]): void {
  const compiler = path.join(installedFolder('typescript', []), 'bin', 'tsc');
  const project = path.join(import.meta.dirname, `${name}.tsconfig.json`);
  const run = [compiler, '--project', project, ...flags];
  const { status } = spawnSync(process.execPath, run, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${name} does not compile`);
}

function rewriteImports(dist: string, file: string): void {
  const code = readFileSync(path.join(dist, file), 'utf8');
  const rewritten = asPublished(code, file);
  if (rewritten !== code) writeFileSync(path.join(dist, file), rewritten);
}

function copyLibrary({ broughtBy, files, name }: VendoredLibrary, to: string): void {
  const from = installedFolder(name, broughtBy);
  for (const file of globSync([...files, 'LICENSE'], { cwd: from })) {
    mkdirSync(path.dirname(path.join(to, file)), { recursive: true });
    copyFileSync(path.join(from, file), path.join(to, file));
  }
  const missing = [...files, 'LICENSE'].filter(
    (file) => !file.includes('*') && !existsSync(path.join(to, file)),
  );
  if (missing.length > 0) throw new Error(`${name} has no ${missing.join(', ')} any more`);
  const { license, type = 'commonjs', version } = readManifest(from);
  writeManifest(to, { name, version, license, type });
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | undefined;
  readonly type?: string | undefined;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest;
}

function writeManifest(folder: string, manifest: Manifest): void {
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}
