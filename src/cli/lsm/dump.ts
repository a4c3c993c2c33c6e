import {
  type DumpedRecord,
  type DumpItem,
  type FileSystem,
  type KeyRange,
  loadOfflineTools,
} from '../../../native-free-lsm/index.ts';
import { systemClock } from '../../clock.ts';
import { IDENTITY_FILE } from '../../replica/identity-file.ts';
import { isOwnKey, OWN_KEYS_START } from '../../replica/own-records.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { print, writeOutput } from '../output.ts';
import { escapeBytes } from '../range-format.ts';
import { damageFailure, requireIdentity } from './damage.ts';
import { findFolder, type LsmFolder, readFolder } from './folder.ts';
import { describeTimestamp, parseKeyRange, parseLimit, shortKey, toJson } from './format.ts';

const WRITE_CHARACTERS = 64 * 1024;

export async function runDump(directory: string, options: Readonly<Record<string, unknown>>): Promise<void> {
  const range = typeof options.keys === 'string' ? parseKeyRange(options.keys) : EVERYTHING;
  const limit = typeof options.limit === 'string' ? parseLimit(options.limit) : Number.POSITIVE_INFINITY;
  const file = typeof options.file === 'string' ? options.file : undefined;
  const folder = await findFolder(directory);
  using held = await readFolder(folder);
  if (file === IDENTITY_FILE) {
    const identity = requireIdentity(folder);
    if (identity === null)
      throw new CommandError(ExitCode.error, `${directory} is no node's folder: it has no ${IDENTITY_FILE}`);
    await print(toJson({ type: 'identity', ...identity }, options.json === true ? undefined : 2));
    return;
  }
  const describe = file === undefined ? describeEntry : describeItem;
  const format = options.json === true ? (item: DumpItem) => toJson(item) : describe;
  try {
    const damaged = await dump(await itemsOf(held.fs, folder, file, range), limit, format);
    if (damaged > 0)
      throw new CommandError(
        ExitCode.damaged,
        `${file} is damaged in ${damaged === 1 ? 'one place' : `${damaged} places`}`,
      );
  } catch (error) {
    throw damageFailure(error, directory);
  }
}

const EVERYTHING: KeyRange = { start: undefined, end: undefined };

async function itemsOf(
  fs: FileSystem,
  { engine, node }: LsmFolder,
  file: string | undefined,
  range: KeyRange,
): Promise<Iterable<DumpItem>> {
  const { dumpEntries, dumpFile } = await loadOfflineTools();
  return file === undefined
    ? dumpEntries(fs, engine, node === undefined ? range : withoutOwnRecords(range), systemClock.nowMs())
    : dumpFile(fs, engine, file, range);
}

/** A node's own records are behind those of its clients, and are shown to whoever asks for keys from there on. */
function withoutOwnRecords({ start, end }: KeyRange): KeyRange {
  return { start, end: end ?? (start !== undefined && isOwnKey(start) ? undefined : OWN_KEYS_START) };
}

/**
 * Writes as fast as stdout takes it. What was read before an error is written before the error is thrown.
 * @returns the number of places where damage was found
 */
async function dump(
  items: Iterable<DumpItem>,
  limit: number,
  format: (item: DumpItem) => string,
): Promise<number> {
  let damaged = 0;
  let failure: unknown;
  function* texts(): Generator<string, void, void> {
    let text = '';
    let entries = 0;
    try {
      for (const item of items) {
        text += `${format(item)}\n`;
        if (item.type === 'damage') damaged++;
        if (item.type === 'entry' && ++entries >= limit) break;
        if (text.length < WRITE_CHARACTERS) continue;
        yield text;
        text = '';
      }
    } catch (error) {
      failure = error;
    }
    if (text !== '') yield text;
  }
  for (const text of texts()) await writeOutput(text);
  if (failure !== undefined) throw failure;
  return damaged;
}

function describeEntry(item: DumpItem): string {
  return item.type === 'entry' ? `${escapeBytes(item.key)}\t${escapeBytes(item.value)}` : '';
}

function describeItem(item: DumpItem): string {
  switch (item.type) {
    case 'entry':
      return `  ${escapeBytes(item.key)}\t${item.isTombstone ? '(deleted)' : escapeBytes(item.value)}\t${describeVersion(item)}`;
    case 'rangeTombstone': {
      const end = item.end === null ? 'the last key' : `before ${escapeBytes(item.end)}`;
      return `  (deleted) from ${escapeBytes(item.start)} to ${end}\t${describeTimestamp(item.timestamp)}`;
    }
    case 'current':
      return `manifest ${item.manifest} is in force`;
    case 'edit': {
      const { added, nextFileId, oldestGeneration, removed } = item.edit;
      const head = `byte ${item.offset}: ${item.isSnapshot ? 'snapshot' : 'edit'}`;
      const facts = [
        ...(removed.length > 0 ? [`removes ${removed.join(', ')}`] : []),
        ...(oldestGeneration === undefined ? [] : [`oldest log ${oldestGeneration}`]),
        ...(nextFileId === undefined ? [] : [`next file ${nextFileId}`]),
      ];
      const tables = added.map(
        (table) =>
          `\n  adds ${table.id} to level ${table.level}: ${table.fileSizeBytes} bytes, ${table.entries} entries, ${table.tombstones} deleted${rangesText(table.rangeTombstones)}, ${shortKey(table.smallestKey)} to ${shortKey(table.largestKey)}`,
      );
      return `${[head, ...facts].join(', ')}${tables.join('')}`;
    }
    case 'batch':
      return `byte ${item.offset}: batch of ${item.lengthBytes} bytes, ${KINDS[item.kind]}, synced up to ${item.syncedBytes} before`;
    case 'torn':
      return `byte ${item.offset}: ${item.lengthBytes} bytes of a torn tail, which was never known to be synced`;
    case 'properties': {
      const {
        entries,
        largestKey,
        largestTimestamp,
        rangeTombstones,
        rawSizeBytes,
        smallestKey,
        smallestTimestamp,
        tombstones,
      } = item.properties;
      return `${entries} entries, ${tombstones} deleted${rangesText(rangeTombstones)}, ${rawSizeBytes} bytes of keys and values, ${shortKey(smallestKey)} to ${shortKey(largestKey)}, ${describeTimestamp(smallestTimestamp)} to ${describeTimestamp(largestTimestamp)}`;
    }
    case 'slotVersions':
      return `slot versions of ${item.rows} entries in ${item.pieces} pieces, ${item.sizeBytes} bytes`;
    case 'block':
      return `byte ${item.offset}: block ${item.ordinal}, ${item.diskBytes} bytes, ${item.memoryBytes} in memory`;
    case 'damage':
      return `DAMAGE: ${item.damage.message}`;
  }
}

function rangesText(count: number | undefined): string {
  return count === undefined ? '' : `, ${count} ranges deleted`;
}

const KINDS = {
  data: 'data',
  cleanClose: 'the mark of a clean close',
  continued: 'the mark that the next log was begun',
  unknown: 'of a kind unknown here',
} as const;

function describeVersion({ expiryMs, from, timestamp, writer }: DumpedRecord): string {
  const expiry = expiryMs === 0 ? '' : ` expires ${new Date(Math.min(expiryMs, 8.64e15)).toISOString()}`;
  return `${describeTimestamp(timestamp)} by ${writer} from ${from}${expiry}`;
}
