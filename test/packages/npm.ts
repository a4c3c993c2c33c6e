/** npm, as users run it: in folders of its own, and with an empty cache where it is measured. */
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { FOLDERS, type PackageName } from '../../deploy/packages/packages.ts';

const run = promisify(execFile);
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'] as const;

export interface Tarball {
  readonly path: string;
  readonly sizeBytes: number;
  /** In the package, sorted. */
  readonly files: readonly string[];
}

/** Builds the package and packs it. */
export async function pack(name: PackageName, to: string): Promise<Tarball> {
  const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', to], {
    cwd: FOLDERS[name],
    maxBuffer: 2 ** 26,
  });
  const said = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as unknown;
  const [tarball] = Object.values(said as Record<string, PackedTarball>);
  const files = tarball.files.map((file) => file.path).sort();
  return { path: path.join(to, tarball.filename), sizeBytes: tarball.size, files };
}

interface PackedTarball {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

export interface Installation {
  readonly name: string;
  readonly folder: string;
  readonly seconds: number;
  readonly sizeBytes: number;
  readonly packages: readonly InstalledPackage[];
  readonly nativeFiles: readonly string[];
  /** What is in node_modules/.bin. */
  readonly programs: readonly string[];
}

interface InstalledPackage {
  readonly name: string;
  readonly hasInstallScript: boolean;
}

/** Installs into a new folder, from an empty cache, as for somebody who has never installed anything. */
export async function install(name: string, what: string, folder: string): Promise<Installation> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }\n');
  const begun = performance.now();
  const cache = path.join(folder, 'cache');
  await run('npm', ['install', '--no-audit', '--no-fund', '--cache', cache, what], { cwd: folder });
  const seconds = (performance.now() - begun) / 1000;
  const modules = path.join(folder, 'node_modules');
  const files = globSync('**/*', { cwd: modules, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => path.join(entry.parentPath, entry.name));
  return {
    name,
    folder,
    seconds,
    sizeBytes: paths.reduce((sum, file) => sum + statSync(file).size, 0),
    packages: globSync('**/node_modules/{*,@*/*}/package.json', { cwd: folder }).flatMap((file) =>
      installedPackage(path.join(folder, file)),
    ),
    nativeFiles: paths.filter((file) => /\.(?:node|so|dylib|dll|exe|wasm)$/.test(file)),
    programs: existsSync(path.join(modules, '.bin'))
      ? globSync('*', { cwd: path.join(modules, '.bin') })
      : [],
  };
}

/** Into a folder where something is installed already. */
export async function addPackage(what: string, folder: string): Promise<void> {
  await run('npm', ['install', '--no-audit', '--no-fund', what], { cwd: folder });
}

function installedPackage(manifest: string): InstalledPackage[] {
  const { name, scripts, version } = JSON.parse(readFileSync(manifest, 'utf8')) as {
    readonly name?: string;
    readonly scripts?: Readonly<Record<string, string>>;
    readonly version?: string;
  };
  if (name === undefined || version === undefined) return [];
  return [{ name, hasInstallScript: INSTALL_SCRIPTS.some((script) => scripts?.[script] !== undefined) }];
}

/** @returns a sentence for each thing that an installation of ours must not bring along */
export function installationFaults(
  name: PackageName,
  { nativeFiles, packages, programs }: Installation,
): string[] {
  const scripted = packages.filter(({ hasInstallScript }) => hasInstallScript);
  return [
    ...nativeFiles.map((file) => `${name}: ${file} is native`),
    ...scripted.map((found) => `${name}: ${found.name} has an install script`),
    ...packages
      .filter((found) => /^node(?:-|$)/.test(found.name))
      .map((found) => `${name}: ${found.name} is a Node`),
    ...(programs.includes('node') ? [`${name}: its node takes the place of the user's`] : []),
  ];
}

/** @returns the programs of other runtimes, by their names */
export async function installOtherRuntimes(folder: string): Promise<ReadonlyMap<string, string>> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }\n');
  // Their scripts would only choose between programs for this machine: there is one.
  const packages = ['bun@1.4.5', 'deno@2.9.6'];
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], { cwd: folder });
  const programs = globSync('node_modules/{@oven/*/bin/bun,@deno/*/deno}{,.exe}', { cwd: folder });
  return new Map(
    programs.map((file) => [path.parse(file).name === 'bun' ? 'Bun' : 'Deno', path.join(folder, file)]),
  );
}

/**
 * @param arch of a processor, if it is not for this machine
 * @returns the program of a Node of this version
 */
export async function installNode(version: string, folder: string, arch?: string): Promise<string> {
  const windows = process.platform === 'win32';
  const name = `node-${windows ? 'win' : process.platform}-${arch ?? process.arch}`;
  // npm refuses what is for another machine.
  const flags = arch === undefined ? [] : ['--force'];
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }\n');
  await run('npm', ['install', '--no-audit', '--no-fund', ...flags, `${name}@${version}`], { cwd: folder });
  return path.join(folder, 'node_modules', name, 'bin', windows ? 'node.exe' : 'node');
}
