/**
 * What a pool thread runs: one task per role or job. The task of a role is long-lived and blocks its thread in
 * Atomics.wait. That is why background jobs have a pool of their own.
 *
 * A thread loads what its first task needs and no more: each has code in memory of its own, and starts sooner with less.
 */
import * as modules from 'node:module';
import { setPriority } from 'node:os';
import { type MessagePort, receiveMessageOnPort, threadId, workerData } from 'node:worker_threads';
import { systemEngineClock } from '../clock.ts';
import { ControlWord } from '../shared/control.ts';
import { ThreadRole } from '../shared/thread-table.ts';
import { WaitRecorder } from '../shared/wait-recorder.ts';
import { WaitSiteId } from '../shared/wait-sites.ts';
import { MainSyncedFileSystem, type SyncOnMain } from './main-synced-fs.ts';
import type {
  BackgroundAnswer,
  ReaderInit,
  ThreadTask,
  WorkerMessage,
  WriterInit,
} from './protocol/posted-messages.ts';
import type * as Reader from './reader.ts';
import { RecordingFileSystem } from './recording-fs.ts';
import type * as Single from './single-thread.ts';
import type { Inbox } from './super-version-tracker.ts';
import type * as Writer from './writer.ts';

export type PoolTask =
  | ThreadTask
  /** All of them, which are posted one by one. */
  | { readonly role: 'all'; readonly control: SharedArrayBuffer; readonly port: MessagePort };

/** What a pool gives to its threads. */
export interface PoolWorkerData {
  /** See shared/thread-table.ts. */
  readonly table: SharedArrayBuffer;
  readonly writes: 'log' | 'tables';
}

/** A lower priority than that of the threads that serve. Linux has one per thread; elsewhere this may do nothing. */
const BACKGROUND_PRIORITY = 5;

const { table, writes } = workerData as PoolWorkerData;
const waits = WaitRecorder.ofThread(table, threadId, systemEngineClock);
const fs = new RecordingFileSystem(waits, writes);
let isBackground = false;

export async function run(task: PoolTask): Promise<BackgroundAnswer | undefined> {
  if (task.role !== 'writer' && task.role !== 'reader' && task.role !== 'all') {
    becomeBackground();
    return (await import('./jobs.ts')).runJob(fs, task);
  }
  const runRole =
    task.role === 'all'
      ? runAll.bind(undefined, await import('./single-thread.ts'), task.control, task.port)
      : task.role === 'writer'
        ? runWriter.bind(undefined, await import('./writer.ts'), task.init, inboxOf(task.port))
        : runReader.bind(undefined, await import('./reader.ts'), task.init, inboxOf(task.port));
  // A role never returns to the event loop, and its thread is terminated, so this is the only chance to fill the
  // compile cache. It does nothing when there is no cache, or when everything is in it. Deno does not have it.
  modules.flushCompileCache?.();
  runRole();
  task.port.close();
  return undefined;
}

function runWriter({ WriterRole }: typeof Writer, init: WriterInit, inbox: Inbox): void {
  waits.become(ThreadRole.writer, 1);
  const words = new Int32Array(init.control);
  const role = new WriterRole(init, fs, inbox, systemEngineClock);
  while (!role.finished) {
    if (!role.step()) {
      if (!role.finished) role.waitForRequests(waits);
      continue;
    }
    // The word is a hint, and nobody notifies the wait: neither orders anything.
    const pauseMicros = Atomics.load(words, ControlWord.slowdownMicros);
    if (pauseMicros === 0) continue;
    const began = waits.begin(WaitSiteId.slowdown);
    // A pause.
    Atomics.wait(words, ControlWord.pause, 0, pauseMicros / 1000);
    waits.end(WaitSiteId.slowdown, began);
  }
}

function runReader({ ReaderRole }: typeof Reader, init: ReaderInit, inbox: Inbox): void {
  waits.become(ThreadRole.reader, init.number);
  const role = new ReaderRole(init, fs, inbox);
  while (!role.finished) if (!role.step() && !role.finished) role.waitForRequests(waits);
  role.close();
}

function runAll({ SingleThread }: typeof Single, control: SharedArrayBuffer, port: MessagePort): void {
  const tableFiles = (sync: SyncOnMain) => new MainSyncedFileSystem(waits, sync);
  new SingleThread({ control, port, logFiles: fs, tableFiles, waits, clock: systemEngineClock }).run();
}

function inboxOf(port: MessagePort): Inbox {
  return () => receiveMessageOnPort(port)?.message as WorkerMessage | undefined;
}

function becomeBackground(): void {
  if (isBackground) return;
  isBackground = true;
  waits.becomeBackground();
  try {
    setPriority(0, BACKGROUND_PRIORITY);
  } catch {
    // Not allowed here. Background work then competes with the threads that serve.
  }
}
