/**
 * The places at which a pool thread waits. Their order is the layout of the thread table, which lasts no longer than an
 * engine is open. To add one: an entry in both tables here, and `begin` and `end` of the thread's WaitRecorder around
 * the wait.
 */

import type { SiteWaits } from './wait-figures.ts';

type WaitSite = Pick<SiteWaits, 'path' | 'isIdle'>;

export const WaitSiteId = {
  requests: 0,
  memtable: 1,
  note: 2,
  slowdown: 3,
  answerRoom: 4,
  read: 5,
  logWrite: 6,
  logSync: 7,
  tableWrite: 8,
  tableSync: 9,
} as const;
export type WaitSiteId = (typeof WaitSiteId)[keyof typeof WaitSiteId];

/** By id. The time of a call to the file system is all of it: the system's work, and its waiting for the disk. */
export const WAIT_SITES: readonly WaitSite[] = [
  { path: ['ring', 'empty: no requests'], isIdle: true },
  { path: ['memtable', 'full: waits for the flush'], isIdle: false },
  { path: ['manifest', 'waits for the first log to be named'], isIdle: false },
  { path: ['level 0', 'slowed down for compaction'], isIdle: false },
  { path: ['ring', 'full: waits for answers to be taken'], isIdle: false },
  { path: ['disk', 'read'], isIdle: false },
  { path: ['disk', 'log', 'write'], isIdle: false },
  { path: ['disk', 'log', 'fdatasync (group commit)'], isIdle: false },
  { path: ['disk', 'tables', 'write'], isIdle: false },
  { path: ['disk', 'tables', 'fdatasync'], isIdle: false },
];
