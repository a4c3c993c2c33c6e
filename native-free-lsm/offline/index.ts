/**
 * Questions to a directory: how it is (`statFolder`), what is in it (`dumpEntries`, `dumpFile`), and whether every byte
 * is right (`verifyFolder`). None of these changes anything. Hold the lock of `lockForReading` meanwhile, or, where an
 * engine has the directory open, give them the `FrozenFolder` of one moment in the place of the file system. They are
 * synchronous, and read large folders in bounded memory; those that take long are
 * generators that yield now and then.
 */

export type { FolderContents } from '../version/folder-contents.ts';
export { type DumpedRecord, type DumpItem, dumpEntries, dumpFile, type KeyRange } from './dump.ts';
export { type Damage, isEngineFolder, listFolder, lockForReading } from './folder.ts';
export { FrozenFolder } from './frozen-folder.ts';
export {
  countLive,
  type FolderStat,
  type LevelStat,
  type LiveSums,
  type LogStat,
  statFolder,
  type TableSums,
} from './stat.ts';
export { type Progress, type VerifyReport, verifyFolder } from './verify.ts';
