/**
 * Loaded into each thread of a node's process before anything else (`--import`): writes and syncs of files do what a
 * file says, which is looked at again and again.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DISK_FAULT_VARIABLE, type DiskFault, GOOD_DISK } from './disk-fault-file.ts';

const PERIOD_MS = 20;
/** Standard input, output and error. */
const LAST_STANDARD = 2;

const file = process.env[DISK_FAULT_VARIABLE];
if (file !== undefined) preload(file);

function preload(path: string): void {
  const { fdatasync, fdatasyncSync, fsync, fsyncSync, readFileSync, write, writeSync, writevSync } = fs;
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  let fault = GOOD_DISK;
  let readMs = Number.NEGATIVE_INFINITY;

  const current = (): DiskFault => {
    const nowMs = performance.now();
    if (nowMs - readMs < PERIOD_MS) return fault;
    readMs = nowMs;
    try {
      fault = JSON.parse(readFileSync(path, 'utf8')) as DiskFault;
    } catch {
      // The test has said nothing yet.
    }
    return fault;
  };
  const noSpace = (fd: number): Error | null => {
    if (fd <= LAST_STANDARD || !current().isFull) return null;
    return Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      errno: -28,
      syscall: 'write',
    });
  };
  const failing = <A extends [fd: number, ...rest: unknown[]], R>(call: (...args: A) => R) => {
    return (...args: A): R => {
      const error = noSpace(args[0]);
      if (error !== null) throw error;
      return call(...args);
    };
  };
  const slow = <A extends unknown[], R>(call: (...args: A) => R) => {
    return (...args: A): R => {
      const { syncDelayMs } = current();
      if (syncDelayMs > 0) Atomics.wait(nothing, 0, 0, syncDelayMs);
      return call(...args);
    };
  };
  const slowLater = <A extends unknown[]>(call: (...args: A) => void) => {
    return (...args: A): void => {
      setTimeout(() => call(...args), current().syncDelayMs);
    };
  };
  const failingLater = <A extends [fd: number, ...rest: unknown[]]>(call: (...args: A) => void) => {
    return (...args: A): void => {
      const error = noSpace(args[0]);
      if (error === null) call(...args);
      else setImmediate(args.at(-1) as (error: Error) => void, error);
    };
  };
  Object.assign(fs, {
    writeSync: failing(writeSync as (fd: number, ...rest: unknown[]) => number),
    writevSync: failing(writevSync as (fd: number, ...rest: unknown[]) => number),
    write: failingLater(write as (fd: number, ...rest: unknown[]) => void),
    fdatasyncSync: slow(fdatasyncSync),
    fsyncSync: slow(fsyncSync),
    fdatasync: slowLater(fdatasync as (...args: unknown[]) => void),
    fsync: slowLater(fsync as (...args: unknown[]) => void),
  });
  syncBuiltinESMExports();
}
