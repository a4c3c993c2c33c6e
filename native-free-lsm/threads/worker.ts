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
import type * as Jobs from './jobs.ts';
import { toLsmError } from './protocol/errors.ts';
import {
  type BackgroundAnswer,
  type BackgroundJob,
  type CheckpointJob,
  encodeJobFailure,
  type ReaderInit,
  type SlotsJob,
  type WorkerMessage,
  type WriterInit,
} from './protocol/posted-messages.ts';
import type * as Reader from './reader.ts';
import { RecordingFileSystem } from './recording-fs.ts';
import type { Inbox } from './super-version-tracker.ts';
import type * as Writer from './writer.ts';

export type PoolTask =
  | { readonly role: 'writer'; readonly init: WriterInit; readonly port: MessagePort }
  | { readonly role: 'reader'; readonly init: ReaderInit; readonly port: MessagePort }
  | { readonly role: 'background'; readonly job: BackgroundJob }
  | { readonly role: 'slots'; readonly job: SlotsJob }
  | { readonly role: 'checkpoint'; readonly job: CheckpointJob }
  /** It is never run: see PoolExecutor. */
  | { readonly role: 'nothing' };

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
  if (task.role === 'nothing') return undefined;
  if (task.role !== 'writer' && task.role !== 'reader') {
    becomeBackground();
    const jobs = await import('./jobs.ts');
    try {
      return runJob(jobs, task);
    } catch (error) {
      return encodeJobFailure(toLsmError(error, workOf(task)));
    }
  }
  const inbox = inboxOf(task.port);
  const runRole =
    task.role === 'writer'
      ? runWriter.bind(undefined, await import('./writer.ts'), task.init, inbox)
      : runReader.bind(undefined, await import('./reader.ts'), task.init, inbox);
  // A role never returns to the event loop, and its thread is terminated, so this is the only chance to fill the
  // compile cache. It does nothing when there is no cache, or when everything is in it. Deno does not have it.
  modules.flushCompileCache?.();
  runRole();
  task.port.close();
  return undefined;
}

type JobTask = PoolTask & { readonly role: 'background' | 'slots' | 'checkpoint' };

function runJob(jobs: typeof Jobs, task: JobTask): BackgroundAnswer {
  if (task.role === 'slots') return jobs.runSlots(fs, task.job);
  if (task.role === 'background') return jobs.runBackgroundJob(fs, task.job);
  jobs.runCheckpoint(fs, task.job);
  return undefined;
}

function workOf(task: JobTask): string {
  if (task.role === 'slots') return 'look at slots';
  if (task.role === 'checkpoint') return 'checkpoint';
  const { type } = task.job.job;
  return type === 'merge' ? 'compaction' : type;
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
