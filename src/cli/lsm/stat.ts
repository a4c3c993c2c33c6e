import {
  type FileSystem,
  type FolderStat,
  loadOfflineTools,
  type TableMetadata,
  type TableSums,
} from '../../../native-free-lsm/index.ts';
import { systemClock } from '../../clock.ts';
import { describeSize } from '../../config/units.ts';
import type { Identity } from '../../replica/identity-file.ts';
import { print } from '../output.ts';
import { FillProgress } from '../progress.ts';
import { damageFailure, requireIdentity } from './damage.ts';
import { findFolder, IN_USE_NOTE, readFolder, turn } from './folder.ts';
import { columns, describeTimestamp, shortKey, toJson } from './format.ts';

interface LiveStat {
  readonly entries: number;
  readonly sizeBytes: number;
  readonly bytesPerLiveByte: number | null;
}

export async function runStat(directory: string, options: Readonly<Record<string, unknown>>): Promise<void> {
  const folder = await findFolder(directory);
  using held = await readFolder(folder);
  const { fs, isInUse } = held;
  const identity = requireIdentity(folder);
  const { statFolder } = await loadOfflineTools();
  let stat: FolderStat;
  let live: LiveStat | null = null;
  try {
    stat = statFolder(fs, folder.engine);
    if (options.live === true) live = await count(fs, folder.engine, stat);
  } catch (error) {
    throw damageFailure(error, directory);
  }
  const { fileSizeBytes, rawSizeBytes } = stat.total;
  const bytesPerStoredByte = rawSizeBytes === 0 ? null : stat.diskBytes / rawSizeBytes;
  if (options.json === true) {
    const shown = identity === null ? null : identityOf(identity);
    await print(
      toJson({ directory: folder.engine, identity: shown, isInUse, ...stat, bytesPerStoredByte, live }, 2),
    );
    return;
  }
  const lines = identity === null ? [] : [describeIdentity(identity)];
  lines.push(
    `manifest  ${stat.manifest.file}, ${stat.manifest.sizeBytes} bytes, ${stat.manifest.edits} edits`,
  );
  lines.push(
    '',
    columns([
      LEVEL_HEAD,
      ...stat.levels.map((level) => levelRow(`${level.level}`, level)),
      levelRow('all', stat.total),
    ]),
  );
  if (options.tables === true) {
    const rows = stat.levels.flatMap(({ level, list }) =>
      list.map((table) => [`${table.id}`, `${level}`, ...sumsRow(sumsOf(table)).slice(1)]),
    );
    lines.push('', columns([['table', 'level', ...LEVEL_HEAD.slice(2)], ...rows]));
  }
  lines.push('', logLines(stat));
  lines.push(
    '',
    `on disk   ${stat.diskBytes} bytes (${describeSize(stat.diskBytes)}), tables ${describeSize(fileSizeBytes)}`,
  );
  if (bytesPerStoredByte !== null)
    lines.push(`room      ${bytesPerStoredByte.toFixed(3)} bytes for each byte of keys and values in tables`);
  if (live !== null) {
    const room =
      live.bytesPerLiveByte === null ? '' : `, ${live.bytesPerLiveByte.toFixed(3)} bytes on disk for each`;
    lines.push(
      `live      ${live.entries} entries, ${live.sizeBytes} bytes (${describeSize(live.sizeBytes)})${room}`,
    );
  }
  if (isInUse) lines.push(`in use    ${IN_USE_NOTE}`);
  if (stat.orphans.length > 0) lines.push(`left over ${stat.orphans.join(', ')}: removed at the next start`);
  if (stat.foreign.length > 0) lines.push(`not ours  ${stat.foreign.join(', ')}`);
  await print(lines.join('\n'));
}

async function count(
  fs: FileSystem,
  engine: string,
  { diskBytes, total, logs }: FolderStat,
): Promise<LiveStat> {
  const { countLive } = await loadOfflineTools();
  const logBytes = logs.reduce((sum, log) => sum + log.sizeBytes, 0);
  let doneBytes = 0;
  let shownBytes = 0;
  const target = { totalBytes: Math.max(1, total.rawSizeBytes + logBytes), doneBytes: () => doneBytes };
  using _progress = new FillProgress(target, systemClock, process.stderr);
  const steps = countLive(fs, engine, systemClock.nowMs());
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) {
      return { ...value, bytesPerLiveByte: value.sizeBytes === 0 ? null : diskBytes / value.sizeBytes };
    }
    doneBytes += value;
    if (doneBytes - shownBytes < STEP_BYTES) continue;
    shownBytes = doneBytes;
    await turn();
  }
}

/** Takes a few milliseconds. */
const STEP_BYTES = 2 * 1024 * 1024;

function identityOf({ clusterId, nodeId, incarnation, whole, clockCeiling }: Identity) {
  return { clusterId, nodeId, incarnation, whole, clockCeiling };
}

const WHOLE_SENTENCES = {
  whole: 'its reads count',
  unproven: 'its reads do not count until every other node has been heard',
  incomplete: 'its reads do not count until it is declared whole',
} as const;

function describeIdentity({ clusterId, nodeId, whole }: Identity): string {
  return `node      ${nodeId} of cluster ${clusterId}, ${whole}: ${WHOLE_SENTENCES[whole]}`;
}

const LEVEL_HEAD = [
  'level',
  'tables',
  'bytes',
  'entries',
  'deleted',
  'first key',
  'last key',
  'oldest',
  'newest',
];

function levelRow(name: string, sums: TableSums): string[] {
  return [name, ...sumsRow(sums)];
}

function sumsOf(table: TableMetadata): TableSums {
  return { ...table, tables: 1, rangeTombstones: table.rangeTombstones ?? 0 };
}

function sumsRow(sums: TableSums): string[] {
  return [
    `${sums.tables}`,
    `${sums.fileSizeBytes}`,
    `${sums.entries}`,
    sums.rangeTombstones === 0 ? `${sums.tombstones}` : `${sums.tombstones}, ${sums.rangeTombstones} ranges`,
    shortKey(sums.smallestKey),
    shortKey(sums.largestKey),
    describeTimestamp(sums.smallestTimestamp),
    describeTimestamp(sums.largestTimestamp),
  ];
}

function logLines({ logs, oldestGeneration }: FolderStat): string {
  if (logs.length === 0) return `logs      none; the next is ${oldestGeneration} or later`;
  const rows = logs.map((log) => {
    const end = log.isClean ? 'closed' : log.tornBytes > 0 ? `${log.tornBytes} bytes torn` : 'not closed';
    return [
      log.file,
      `${log.sizeBytes}`,
      `${log.batches}`,
      `${log.puts}`,
      log.isObsolete ? 'in tables already' : end,
    ];
  });
  return columns([['log', 'bytes', 'batches', 'writes', 'end'], ...rows]);
}
