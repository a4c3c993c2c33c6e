/**
 * A data folder as it is kept under `test/formats/<data format>/`: JSON, compressed with gzip, with the bytes of each
 * file and what must be read from them. `zcat` and any reader of JSON show it.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { FileSystem } from '../../native-free-lsm/index.ts';
import { MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';

export const KEPT_FOLDERS = import.meta.dirname;

export interface KeptFolder {
  /** By path, `/` between its parts, the bytes of each file in base64. */
  readonly files: Readonly<Record<string, string>>;
  /** By key, as latin1, its value, too. Null: the key was deleted, or its value has expired. */
  readonly entries: Readonly<Record<string, string | null>>;
  /** Keys that damage has taken: to read one is an error. */
  readonly lost: readonly string[];
}

/** Every file below a folder, by its path in it, in order. */
export function filesBelow(fs: FileSystem, folder: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const visit = (name: string): void => {
    const whole = path.posix.join(folder, name);
    for (const entry of fs.listSync(whole).sort()) {
      const at = path.posix.join(name, entry);
      // A folder is what has names in it; only an empty one would be taken for a file, and none is kept.
      if (isFolder(fs, path.posix.join(folder, at))) visit(at);
      else if (!/^LOCK/.test(entry)) files.set(at, bytesOf(fs, path.posix.join(folder, at)));
    }
  };
  visit('');
  return files;
}

function isFolder(fs: FileSystem, name: string): boolean {
  try {
    fs.listSync(name);
    return true;
  } catch {
    return false;
  }
}

function bytesOf(fs: FileSystem, file: string): Uint8Array {
  const fd = fs.openReadSync(file);
  try {
    const bytes = new Uint8Array(fs.sizeSync(file));
    fs.readSync(fd, bytes, 0, bytes.length, 0);
    return bytes;
  } finally {
    fs.closeSync(fd);
  }
}

export function keptFolder(
  files: ReadonlyMap<string, Uint8Array>,
  entries: ReadonlyMap<string, string | null>,
  lost: readonly string[] = [],
): KeptFolder {
  const inBase64 = Array.from(
    files,
    ([name, bytes]) => [name, Buffer.from(bytes).toString('base64')] as const,
  );
  return { files: Object.fromEntries(inBase64), entries: Object.fromEntries(entries), lost };
}

export function bytesByName({ files }: KeptFolder): Map<string, Uint8Array> {
  return new Map(
    Object.entries(files).map(([name, text]) => [name, new Uint8Array(Buffer.from(text, 'base64'))]),
  );
}

/** A disk in memory with the files below `folder`, all of them synced. */
export function diskWith(files: ReadonlyMap<string, Uint8Array>, folder: string): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  const made = new Set<string>();
  const makeFolder = (name: string): void => {
    if (name === '/' || made.has(name)) return;
    makeFolder(path.posix.dirname(name));
    fs.makeDirectorySync(name);
    made.add(name);
  };
  makeFolder(folder);
  for (const [name, bytes] of files) {
    const file = path.posix.join(folder, name);
    makeFolder(path.posix.dirname(file));
    const fd = fs.createSync(file);
    fs.writeSync(fd, [bytes], 0);
    fs.fdatasyncSync(fd);
    fs.closeSync(fd);
  }
  return fs.crash({ bytes: 'kept', names: 'kept' });
}

/** The data formats of which folders are kept, the latest last. */
export function keptFormats(): number[] {
  return readdirSync(KEPT_FOLDERS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => Number(name))
    .sort((a, b) => a - b);
}

/** The names of the folders that are kept of a data format. */
export function keptNames(format: number): string[] {
  return readdirSync(path.join(KEPT_FOLDERS, String(format)))
    .filter((name) => name.endsWith('.json.gz'))
    .map((name) => name.slice(0, -'.json.gz'.length))
    .sort();
}

function fileOf(format: number, name: string): string {
  return path.join(KEPT_FOLDERS, String(format), `${name}.json.gz`);
}

export function readKept(format: number, name: string): KeptFolder {
  return JSON.parse(gunzipSync(readFileSync(fileOf(format, name))).toString()) as KeptFolder;
}

export function writeKept(format: number, name: string, folder: KeptFolder): void {
  writeFileSync(fileOf(format, name), gzipSync(JSON.stringify(folder), { level: 9 }));
}
