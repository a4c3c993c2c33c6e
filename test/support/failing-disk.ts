/** A disk in memory that notes what changes it, and fails from a change on: a write that fails has written its half. */
import {
  type FileSystemCall,
  type FileSystemOperation,
  fileSystemError,
  MemoryFileSystem,
  type PartialCall,
} from '../../native-free-lsm/simulation/index.ts';

/** Of what was not synced nothing is left. */
export const POWER_LOSS = { bytes: 'lost', names: 'lost' } as const;

const READS: ReadonlySet<FileSystemOperation> = new Set([
  'openRead',
  'read',
  'size',
  'freeBytes',
  'status',
  'exists',
  'list',
  'lock',
]);

export class FailingDisk extends MemoryFileSystem {
  /** Calls that change something, by name, in order. */
  readonly changes: FileSystemOperation[] = [];
  /** The change of this number (from 0) fails, as do all behind it. */
  failAt = Number.POSITIVE_INFINITY;
  failure = 'EIO';

  constructor() {
    super();
    this.onCall = (call) => this.#answer(call);
  }

  #answer({ operation, path, lengthBytes }: FileSystemCall): PartialCall | undefined {
    if (READS.has(operation)) return undefined;
    const number = this.changes.push(operation) - 1;
    if (number < this.failAt) return undefined;
    const error = fileSystemError(this.failure, operation, path);
    if (operation === 'write' && number === this.failAt) return { doneBytes: lengthBytes >> 1, error };
    throw error;
  }
}
