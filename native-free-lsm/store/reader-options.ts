import { fieldsFault, refuse, wholeNumberFault } from '../arguments.ts';
import { completeOptions, type EngineOptions } from '../options.ts';

/** Everything that can be set when a folder is opened to be read beside its writer. Sizes are in bytes. */
export interface ReaderOptions
  extends Pick<
    EngineOptions,
    'blockCacheBytes' | 'maxQueuedReadBytes' | 'maxRecordBytes' | 'memtableBytes' | 'readers'
  > {
  /**
   * The most memory for what the logs hold and no table has yet: beyond it an opening and a refresh fail with OVERLOADED,
   * until the writer has put its logs into tables.
   */
  readonly maxMemtableBytes: number;
}

const MIB = 1024 * 1024;

const NAMES = [
  'blockCacheBytes',
  'maxQueuedReadBytes',
  'maxRecordBytes',
  'memtableBytes',
  'readers',
] as const;
const DEFAULT_MAX_MEMTABLE_BYTES = 256 * MIB;

export interface CompleteReaderOptions {
  /** What the parts of the reader take theirs from. */
  readonly engine: EngineOptions;
  readonly maxMemtableBytes: number;
}

/** @throws LsmError INVALID_ARGUMENT that names the first option that makes no sense */
export function completeReaderOptions(given: Partial<ReaderOptions>): CompleteReaderOptions {
  refuse(fieldsFault('options', given, [...NAMES, 'maxMemtableBytes']));
  const { maxMemtableBytes = DEFAULT_MAX_MEMTABLE_BYTES, ...others } = given;
  const engine = completeOptions(others);
  refuse(wholeNumberFault('maxMemtableBytes', maxMemtableBytes, engine.memtableBytes));
  return { engine, maxMemtableBytes };
}
