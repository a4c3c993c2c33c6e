import {
  type EngineOptions,
  type FolderStat,
  loadOfflineTools,
  NodeFileSystem,
  RecordStore,
} from '../../../native-free-lsm/index.ts';
import { systemClock } from '../../clock.ts';
import { describeSize } from '../../config/units.ts';
import { NODE_TABLES } from '../../node/table-options.ts';
import { Interrupted } from '../interrupted.ts';
import { print } from '../output.ts';
import { StopSignals } from '../stop-signals.ts';
import { damageFailure, requireIdentity } from './damage.ts';
import { findFolder, holdFolder, type LsmFolder } from './folder.ts';
import { columns, toJson } from './format.ts';
import { LsmProgress } from './progress.ts';

const MIB = 2 ** 20;
const SHOW_MS = 100;

/**
 * Deletions are kept, because a copy of a node's engine does not show that it belongs to a node. Sizes are those of a
 * node with the largest values that it can be set to; the content of tables does not depend on them. Tables are written
 * as a node writes them.
 */
const OPTIONS: Partial<EngineOptions> = { ...NODE_TABLES, dropTombstonesBelow: 0, blockCacheBytes: MIB };

interface Sums {
  readonly tables: number;
  readonly fileSizeBytes: number;
  readonly entries: number;
  readonly tombstones: number;
}

export async function runCompact(
  directory: string,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  const folder = await findFolder(directory);
  // A folder that a node would refuse is refused before anything is changed.
  requireIdentity(folder);
  const startedMs = systemClock.monotonicMs();
  let before: Sums;
  let after: Sums;
  try {
    before = await sums(folder, 'before');
    await compact(folder.engine, before);
    after = await sums(folder, 'after');
  } catch (error) {
    throw damageFailure(error, directory);
  }
  const elapsedMs = systemClock.monotonicMs() - startedMs;
  if (options.json === true) {
    await print(toJson({ directory: folder.engine, before, after, elapsedMs }, 2));
    return;
  }
  const row = (name: string, { entries, fileSizeBytes, tables, tombstones }: Sums): string[] => [
    name,
    `${tables}`,
    `${fileSizeBytes} (${describeSize(fileSizeBytes)})`,
    `${entries}`,
    `${tombstones}`,
  ];
  const head = ['', 'tables', 'bytes', 'entries', 'deleted'];
  const table = columns([head, row('before', before), row('after', after)]);
  await print(`${table}\ntime ${(elapsedMs / 1_000).toFixed(2)} s`);
}

async function sums(folder: LsmFolder, moment: 'before' | 'after'): Promise<Sums> {
  const { statFolder } = await loadOfflineTools();
  using _held = await holdFolder(folder);
  const { logs, total }: FolderStat = statFolder(new NodeFileSystem(), folder.engine);
  // Writes that are only in a log are entries to compact too.
  const puts = moment === 'after' ? 0 : logs.reduce((sum, log) => sum + (log.isObsolete ? 0 : log.puts), 0);
  const { fileSizeBytes, tables, tombstones } = total;
  const logBytes = moment === 'after' ? 0 : logs.reduce((sum, log) => sum + log.sizeBytes, 0);
  return { tables, fileSizeBytes: fileSizeBytes + logBytes, entries: total.entries + puts, tombstones };
}

async function compact(engine: string, { fileSizeBytes }: Sums): Promise<void> {
  const store = RecordStore.open(engine, OPTIONS);
  using progress = new LsmProgress(systemClock, process.stderr);
  const doneBytes = (): number => {
    const { bytesCompacted, bytesFlushed } = store.stats();
    return bytesCompacted + bytesFlushed;
  };
  // Data that is merged level by level is written more than once; how often is known only at the end.
  const show = (): void => {
    const done = doneBytes();
    progress.show({ doneBytes: done, totalBytes: Math.max(1, fileSizeBytes, done) });
  };
  show();
  const timer = systemClock.every(SHOW_MS, show);
  const interrupted = Promise.withResolvers<never>();
  using _signals = new StopSignals(systemClock, (_count, signal) => {
    const sentence = `interrupted; ${engine} is whole, and what was finished is in force`;
    interrupted.reject(new Interrupted(signal, sentence));
  });
  const compacted = store.compact();
  // When it is interrupted, it ends with an error that nobody waits for.
  compacted.catch(() => undefined);
  try {
    await Promise.race([compacted, interrupted.promise]);
  } finally {
    timer.cancel();
    await store.close();
  }
}
