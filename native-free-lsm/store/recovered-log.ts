import { join } from 'node:path';
import type { HashSeed } from '../format/hash.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { logFileName } from '../log/log-format.ts';
import { fillMemtable } from '../log/log-memtable.ts';
import { type LogReplay, replayLog } from '../log/log-reader.ts';

/** A memtable that an opening made from its log. */
export interface RecoveredMemtable {
  readonly generation: number;
  readonly memory: SharedArrayBuffer;
}

/** A log that was replayed, or several that share a memtable. */
export interface RecoveredLog extends RecoveredMemtable {
  readonly logs: readonly { readonly generation: number; readonly replay: LogReplay }[];
  /** Whether the last of them says that the next log was begun. */
  readonly continued: boolean;
}

/**
 * Replays logs that follow each other into one memtable, which has the number of the last of them.
 * @param isBegun whether it is known that they were begun, so that each must have its header
 * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR
 */
export function recoverLogs(
  fs: FileSystem,
  directory: string,
  generations: readonly number[],
  memtableBytes: number,
  hashSeed: HashSeed,
  isBegun: boolean,
): RecoveredLog {
  const generation = generations[generations.length - 1];
  const path = join(directory, logFileName(generation));
  const { memory, result } = fillMemtable(path, generation, memtableBytes, hashSeed, (insert) =>
    generations.map((log) => ({
      generation: log,
      replay: replayLog(fs, directory, log, insert, isBegun),
    })),
  );
  return { generation, memory, logs: result, continued: result[result.length - 1].replay.continued };
}
