import { logFileName } from '../log/log-format.ts';
import { tableFileName, temporaryTableFileName } from '../sstable/table-metadata.ts';

/** The lock of the directory; see fs/directory-lock.ts. */
export const LOCK_FILE_NAME = 'LOCK';
/** Names the manifest in force. */
export const CURRENT_FILE_NAME = 'CURRENT';
export const TEMPORARY_CURRENT_FILE_NAME = 'CURRENT.tmp';
/** It exists while a repair changes the directory: a start must not tidy up what the repair has not yet put aside. */
export const REPAIR_MARK_NAME = 'REPAIRING';
/** It exists while a checkpoint is being made in the directory: what is there is not all of it. */
export const CHECKPOINT_MARK_NAME = 'CHECKPOINTING';
/** A folder of files that a repair replaced. Nothing reads it; people do. */
export const LOST_FOLDER_NAME = 'lost';

export function manifestFileName(number: number): string {
  return `MANIFEST-${String(number).padStart(6, '0')}`;
}

/** The kinds of files in an engine's directory. A `temporary` one is never read, and removed at the next start. */
type FileKind =
  | 'lock'
  | 'current'
  | 'manifest'
  | 'log'
  | 'table'
  | 'temporary'
  | 'repairMark'
  | 'checkpointMark'
  | 'lostFolder';

interface FileName {
  readonly kind: FileKind;
  /** The number of a manifest, log or table (finished or temporary); otherwise 0. */
  readonly number: number;
}

const FIXED: ReadonlyMap<string, FileName> = new Map([
  [LOCK_FILE_NAME, { kind: 'lock', number: 0 }],
  [CURRENT_FILE_NAME, { kind: 'current', number: 0 }],
  [TEMPORARY_CURRENT_FILE_NAME, { kind: 'temporary', number: 0 }],
  [REPAIR_MARK_NAME, { kind: 'repairMark', number: 0 }],
  [CHECKPOINT_MARK_NAME, { kind: 'checkpointMark', number: 0 }],
  [LOST_FOLDER_NAME, { kind: 'lostFolder', number: 0 }],
]);

const NUMBERED: readonly (readonly [FileKind, (number: number) => string])[] = [
  ['table', tableFileName],
  ['log', logFileName],
  ['manifest', manifestFileName],
  ['temporary', temporaryTableFileName],
];

/** Undefined for a name that no engine gives, such as `7.log` instead of `000007.log`. */
export function parseFileName(name: string): FileName | undefined {
  const fixed = FIXED.get(name);
  if (fixed !== undefined) return fixed;
  const number = Number(/\d{6,}/.exec(name)?.[0]);
  for (const [kind, nameOf] of NUMBERED) if (nameOf(number) === name) return { kind, number };
  return undefined;
}
