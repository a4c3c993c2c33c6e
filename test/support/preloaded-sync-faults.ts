/** Loaded into each thread of an engine before anything else (`--import`): its syncs fail when they are to. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { getEnvironmentData } from 'node:worker_threads';
import { SYNC_FAULTS, SyncedKind, SyncFaultMemory } from './sync-fault-memory.ts';

const memory = new SyncFaultMemory(getEnvironmentData(SYNC_FAULTS) as SharedArrayBuffer);
const { fdatasyncSync, fsyncSync, openSync } = fs;

Object.assign(fs, {
  openSync: (path: fs.PathLike, flags: fs.OpenMode, mode?: fs.Mode): number =>
    memory.opened(openSync(path, flags, mode), String(path)),
  fdatasyncSync: (fd: number): void => {
    memory.check(memory.kindOf(fd));
    fdatasyncSync(fd);
  },
  // The engine calls it for directories alone.
  fsyncSync: (fd: number): void => {
    memory.check(SyncedKind.directory);
    fsyncSync(fd);
  },
});
syncBuiltinESMExports();
