/** Runs one fill from its plan to its summary: folders, threads, progress, and Ctrl-C. */
import fs from 'node:fs';
import path from 'node:path';
import {
  DEFAULT_OPTIONS,
  drawHashSeed,
  type HashSeed,
  type TableMetadata,
} from '../../../native-free-lsm/index.ts';
import { systemClock } from '../../clock.ts';
import { fingerprintSeedOf } from '../../cluster/slots.ts';
import { describeSize } from '../../config/units.ts';
import { errorMessage, QuorateError } from '../../errors.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { Interrupted } from '../interrupted.ts';
import { FillProgress } from '../progress.ts';
import { StopSignals } from '../stop-signals.ts';
import { engineDirectory, FillFolders, inspectFolders } from './folders.ts';
import { type FillPlan, planFill } from './plan.ts';
import type { FillGroup } from './tables.ts';
import type { FillTarget } from './target.ts';
import { FILL_THREADS, FillThreads } from './threads.ts';

export interface FillRequest {
  readonly target: FillTarget;
  /** The bytes of keys and values on each node. */
  readonly sizeBytes: number;
  readonly valueBytes: number;
  readonly seed: number;
  /** The number of nodes that hold each key. */
  readonly from: number;
}

export interface FillSummary {
  /** The N of the last key: the keys are key1 to keyN. */
  readonly keys: number;
  /** The bytes of keys and values in all folders that were filled. */
  readonly liveBytes: number;
  readonly diskBytes: number;
  readonly elapsedMs: number;
}

/** This much stays free, because nodes that start need room for their logs. */
const DISK_RESERVE_BYTES = 64 * 1024 * 1024;

/**
 * @throws QuorateError INVALID_CONFIG, FOREIGN_DIRECTORY or STORAGE before anything is changed; STORAGE also when
 *   writing fails, and Interrupted, with the folders marked as unfinished
 */
export async function runFill(request: FillRequest): Promise<FillSummary> {
  const { target, sizeBytes, valueBytes, from } = request;
  const startedMs = systemClock.monotonicMs();
  const amount = { sizeBytes, valueBytes, nodes: target.nodes.length, from };
  const plan = planFill(amount, DEFAULT_OPTIONS.targetFileBytes, FILL_THREADS);
  const folders = target.folders;
  requireRoom(target.dataDirectory, plan.diskBytesPerNode * folders.length, inspectFolders(folders));
  const clusterId = target.open();
  using filled = await FillFolders.begin(folders);
  const groups = groupsOf(target, from);
  const tables = await writeTables(request, plan, groups, fingerprintSeedOf(clusterId));
  const tablesOf = target.filled.map(
    (node) => tables[groups.findIndex(({ members }) => members.includes(node))],
  );
  await filled.finish(clusterId, tablesOf);
  return {
    keys: plan.keys,
    liveBytes: sum(tablesOf.flat(), ({ rawSizeBytes }) => rawSizeBytes),
    diskBytes: sum(tablesOf.flat(), ({ fileSizeBytes }) => fileSizeBytes),
    elapsedMs: systemClock.monotonicMs() - startedMs,
  };
}

/** Where every node has every key, all nodes get the same tables. */
function groupsOf(target: FillTarget, from: number): FillGroup[] {
  const directoryOf = new Map(target.filled.map((node, i) => [node, engineDirectory(target.folders[i])]));
  const together = from === target.nodes.length ? [target.filled] : target.filled.map((node) => [node]);
  return together.map((members) => ({ members, directories: members.map((node) => directoryOf.get(node)!) }));
}

/** @returns the tables of each group */
async function writeTables(
  { target, valueBytes, seed, from }: FillRequest,
  plan: FillPlan,
  groups: readonly FillGroup[],
  fingerprintSeed: HashSeed,
): Promise<TableMetadata[][]> {
  const { nodes, policy } = target;
  const amount = { keys: plan.keys, valueBytes, seed, from };
  const seeds = { hashSeed: drawHashSeed(), fingerprintSeed };
  await using threads = new FillThreads({ ...amount, ...seeds, nodes, policy, groups });
  let interruptedBy: NodeJS.Signals | undefined;
  using _signals = new StopSignals(systemClock, (_count, signal) => {
    interruptedBy = signal;
    threads.cancel();
  });
  const totalBytes = (plan.liveBytes * target.filled.length) / nodes.length;
  const doneBytes = (): number => (threads.keysDone / plan.keys) * totalBytes;
  using _progress = new FillProgress({ totalBytes, doneBytes }, systemClock, process.stderr);
  try {
    const written = await threads.write(plan.ranges);
    return groups.map((_, group) => written.flatMap((tables) => tables[group] ?? []));
  } catch (error) {
    const advice = `its folders in ${target.dataDirectory} are marked as unfinished: run fill again, or delete them`;
    if (interruptedBy !== undefined) throw new Interrupted(interruptedBy, `interrupted; ${advice}`);
    if (!(error instanceof QuorateError)) throw error;
    throw new CommandError(ExitCode.error, `the fill failed: ${errorMessage(error)}; ${advice}`);
  }
}

function requireRoom(directory: string, neededBytes: number, freedBytes: number): void {
  let existing = path.resolve(directory);
  while (!fs.existsSync(existing)) existing = path.dirname(existing);
  const { bavail, bsize } = fs.statfsSync(existing);
  const roomBytes = bavail * bsize + freedBytes;
  if (neededBytes + DISK_RESERVE_BYTES <= roomBytes) return;
  throw new QuorateError(
    'STORAGE',
    `the fill needs about ${describeSize(neededBytes)} and the disk of ${directory} has ${describeSize(roomBytes)} left: make room, or choose a smaller --size or another --data`,
  );
}

function sum(tables: readonly TableMetadata[], of: (table: TableMetadata) => number): number {
  return tables.reduce((total, table) => total + of(table), 0);
}
