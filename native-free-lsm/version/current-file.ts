import { join } from 'node:path';
import zlib from 'node:zlib';
import { corruption, LsmError } from '../errors.ts';
import { type FileSystem, readFullySync } from '../fs/file-system.ts';
import { FileMagic } from '../log/log-format.ts';
import {
  CURRENT_FILE_NAME,
  manifestFileName,
  parseFileName,
  TEMPORARY_CURRENT_FILE_NAME,
} from './file-names.ts';

const { crc32 } = zlib;

/**
 * CURRENT: one line of text, the name of the manifest in force and the crc32 of that name in eight hexadecimal digits,
 * `MANIFEST-000001 5a055f23`. It is replaced by rename, so it is never half written.
 */
function currentLine(number: number): Buffer {
  const name = manifestFileName(number);
  return Buffer.from(`${name} ${crc32(name).toString(16).padStart(8, '0')}\n`);
}

/**
 * CURRENT as LevelDB has it, and RocksDB after it, whose other files have names like ours: nothing follows the name. Ours
 * looks so when damage has taken its checksum.
 */
const OF_LEVELDB = /^MANIFEST-\d+\n$/;

/**
 * Nothing of a folder of LevelDB must be taken for a damaged one of ours, nor the other way round: a manifest that begins
 * as ours do tells them apart. One that cannot be read is for others to report.
 * @throws LsmError FOREIGN_DIRECTORY
 */
export function refuseLevelDb(fs: FileSystem, directory: string): void {
  if (!OF_LEVELDB.test(textOfCurrent(fs, directory)) || hasOwnManifest(fs, directory)) return;
  throw new LsmError(
    'FOREIGN_DIRECTORY',
    `${directory} is a folder of LevelDB or RocksDB, and not an engine's: name another one`,
    { file: join(directory, CURRENT_FILE_NAME) },
  );
}

function hasOwnManifest(fs: FileSystem, directory: string): boolean {
  const names = fs.listSync(directory).filter((name) => parseFileName(name)?.kind === 'manifest');
  return names.some((name) => beginsAsOurs(fs, join(directory, name)));
}

function beginsAsOurs(fs: FileSystem, path: string): boolean {
  const beginning = Buffer.alloc(4);
  try {
    const fd = fs.openReadSync(path);
    try {
      const isWhole = readFullySync(fs, fd, beginning, 0, beginning.length, 0);
      return isWhole && beginning.readUInt32LE(0) === FileMagic.manifest;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return false;
  }
}

function textOfCurrent(fs: FileSystem, directory: string): string {
  try {
    const fd = fs.openReadSync(join(directory, CURRENT_FILE_NAME));
    try {
      return lineOf(fs, fd, join(directory, CURRENT_FILE_NAME))?.toString('latin1') ?? '';
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return '';
  }
}

/** Undefined: it is shorter than the system says. */
function lineOf(fs: FileSystem, fd: number, path: string): Buffer | undefined {
  const line = Buffer.alloc(Math.min(fs.sizeSync(path), 64));
  return readFullySync(fs, fd, line, 0, line.length, 0) ? line : undefined;
}

/** The number of the manifest in force, or undefined when there is no CURRENT. */
export function readCurrent(fs: FileSystem, directory: string): number | undefined {
  const path = join(directory, CURRENT_FILE_NAME);
  if (!fs.existsSync(path)) return undefined;
  const fd = fs.openReadSync(path);
  try {
    const line = lineOf(fs, fd, path);
    if (line !== undefined) {
      const number = Number(/^MANIFEST-(\d{6,15}) /.exec(line.toString('latin1'))?.[1]);
      if (currentLine(number).equals(line)) return number;
    }
    throw corruption(path, 0, 'it does not name a manifest, or its checksum is wrong');
  } finally {
    fs.closeSync(fd);
  }
}

/** Writes the new CURRENT; it is durable, but under its temporary name. */
export function prepareCurrent(fs: FileSystem, directory: string, number: number): void {
  const path = join(directory, TEMPORARY_CURRENT_FILE_NAME);
  if (fs.existsSync(path)) fs.removeSync(path);
  const fd = fs.createSync(path);
  try {
    fs.writeSync(fd, [currentLine(number)], 0);
    fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Like `prepareCurrent`, without blocking. */
export async function prepareCurrentSoon(fs: FileSystem, directory: string, number: number): Promise<void> {
  const path = join(directory, TEMPORARY_CURRENT_FILE_NAME);
  // It exists only if an earlier attempt failed.
  await fs.remove(path).catch(() => undefined);
  const fd = await fs.create(path);
  try {
    await fs.write(fd, currentLine(number), 0);
    await fs.fdatasync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Like `switchCurrent`, without blocking. */
export async function switchCurrentSoon(fs: FileSystem, directory: string): Promise<void> {
  await fs.rename(join(directory, TEMPORARY_CURRENT_FILE_NAME), join(directory, CURRENT_FILE_NAME));
  await fs.syncDirectory(directory);
}

/** Puts the prepared CURRENT in force, durably. */
export function switchCurrent(fs: FileSystem, directory: string): void {
  fs.renameSync(join(directory, TEMPORARY_CURRENT_FILE_NAME), join(directory, CURRENT_FILE_NAME));
  fs.syncDirectorySync(directory);
}
