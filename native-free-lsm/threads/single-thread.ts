/**
 * The thread of an engine that has one alone: the writer, the reader and jobs take turns in it.
 *
 * Roles are stepped, as everywhere. Jobs are long, and call `#between` every few entries: there the roles have their
 * turn, and so a flush that main asks for during a compaction, or writes would wait for that. Nothing in here waits but
 * the loop when nobody has anything to do, so whatever one waits for another can bring about: a writer without room for
 * its run gives the turn back, and the flush that makes room goes on.
 *
 * A job that needs a sync has main make it (threads/main-synced-fs.ts), and until that has ended roles and urgent jobs
 * have all of the thread.
 *
 * A role that is called out of a job meets none of the job's state: both have files, cursors and memory of their own, and
 * what all of a thread share (the memory for compressed blocks, a writer's output buffer) is in nobody's hand between two
 * entries and at a sync, or was taken away by its user.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { EngineClock } from '../clock.ts';
import { type FileSystem, THREADS_SHARE_DESCRIPTORS } from '../fs/file-system.ts';
import { ControlWord } from '../shared/control.ts';
import { ThreadRole } from '../shared/thread-table.ts';
import type { WaitRecorder } from '../shared/wait-recorder.ts';
import { WaitSiteId } from '../shared/wait-sites.ts';
import { type JobTask, runJob } from './jobs.ts';
import { failureOf, NumberedSyncs, type SyncOnMain } from './main-synced-fs.ts';
import type {
  GivenTask,
  ReaderInit,
  SyncCall,
  SyncEnd,
  TaskEnd,
  WorkerMessage,
  WriterInit,
} from './protocol/posted-messages.ts';
import { ReaderRole } from './reader.ts';
import type { Inbox } from './super-version-tracker.ts';
import { WriterRole } from './writer.ts';

const IDLE_SLEEP_MS = 1000;
/** A reader whose answers have no room looks again after so long: main frees room and tells nobody. */
const ROOM_LOOK_MS = 1;
/** Before roles have their next turn a job has as long as they had, and at most so long. */
const MAX_JOB_TURN_MS = 5;

interface Running<Role> {
  readonly id: number;
  readonly role: Role;
}

interface WaitingJob {
  readonly id: number;
  readonly task: JobTask;
}

interface SingleThreadParts {
  readonly control: SharedArrayBuffer;
  readonly port: MessagePort;
  readonly logFiles: FileSystem;
  /** Made with what their syncs call. */
  readonly tableFiles: (sync: SyncOnMain) => FileSystem;
  readonly waits: WaitRecorder;
  readonly clock: EngineClock;
}

export class SingleThread {
  readonly #parts: SingleThreadParts;
  readonly #words: Int32Array;
  readonly #tableFiles: FileSystem;
  #writer: Running<WriterRole> | undefined;
  #reader: Running<ReaderRole> | undefined;
  readonly #jobs: WaitingJob[] = [];
  readonly #syncs = new NumberedSyncs((call) => this.#parts.port.postMessage(call));
  #bell = 0;
  #tasksSeen = 0;
  /** The pause that compaction asks the writer for. */
  #writerRestsUntilMs = 0;
  /** When roles may have something to do though the bell has not rung. */
  #rolesDueMs = 0;
  #jobHasUntilMs = 0;
  #isUrgentRunning = false;

  constructor(parts: SingleThreadParts) {
    this.#parts = parts;
    this.#words = new Int32Array(parts.control);
    this.#tableFiles = parts.tableFiles(this.#syncOnMain);
  }

  /** Blocks the thread until main has stopped the engine. */
  run(): void {
    this.#parts.waits.become(ThreadRole.engine, 1);
    for (;;) {
      // Before the tasks: main stores it after all of them.
      const isStopped = Atomics.load(this.#words, ControlWord.stop) === 1;
      this.#look();
      const worked = this.#stepRoles();
      const job = this.#jobs.shift();
      if (job !== undefined) this.#run(job);
      else if (isStopped && this.#writer === undefined && this.#reader === undefined) return;
      else if (!worked) this.#wait(this.#waitSite);
    }
  }

  #look(): void {
    // Before anything is looked at: what main publishes later changes it, and a wait that compares it returns at once.
    this.#bell = Atomics.load(this.#words, ControlWord.requestBell);
    // Acquire: main counts after it has posted.
    const posted = Atomics.load(this.#words, ControlWord.tasksPosted);
    if (posted === this.#tasksSeen) return;
    this.#tasksSeen = posted;
    const { port } = this.#parts;
    for (let given = receiveMessageOnPort(port); given !== undefined; given = receiveMessageOnPort(port))
      this.#take(given.message as GivenTask | SyncEnd);
  }

  #take(given: GivenTask | SyncEnd): void {
    if ('sync' in given) this.#syncs.ended(given);
    else this.#begin(given);
  }

  #begin({ id, task }: GivenTask): void {
    try {
      if (task.role === 'writer') this.#writer = { id, role: this.#makeWriter(task.init, task.port) };
      else if (task.role === 'reader') this.#reader = { id, role: this.#makeReader(task.init, task.port) };
      else this.#jobs.push({ id, task });
    } catch (error) {
      this.#end({ id, fault: messageOf(error) });
    }
  }

  #makeWriter(init: WriterInit, port: MessagePort): WriterRole {
    const { clock, logFiles } = this.#parts;
    const syncs = THREADS_SHARE_DESCRIPTORS ? this.#syncs : null;
    return new WriterRole(init, logFiles, inboxOf(port), clock, syncs);
  }

  #makeReader(init: ReaderInit, port: MessagePort): ReaderRole {
    return new ReaderRole(init, this.#parts.logFiles, inboxOf(port));
  }

  #end(end: TaskEnd): void {
    this.#parts.port.postMessage(end);
  }

  /** Each that is there has one turn. It returns whether one had something to do. */
  #stepRoles(): boolean {
    const isWritten = this.#writer !== undefined && this.#stepWriter(this.#writer);
    const isRead = this.#reader !== undefined && this.#stepReader(this.#reader);
    return isWritten || isRead;
  }

  #stepWriter({ id, role }: Running<WriterRole>): boolean {
    if (this.#writerRestsUntilMs > 0) {
      if (this.#parts.clock.monotonicMs() < this.#writerRestsUntilMs) return false;
      this.#writerRestsUntilMs = 0;
    }
    try {
      const worked = role.step();
      if (worked) this.#restAfterRun();
      else if (role.finished) {
        this.#writer = undefined;
        this.#end({ id });
      }
      return worked;
    } catch (error) {
      this.#writer = undefined;
      role.close();
      this.#end({ id, fault: messageOf(error) });
      return true;
    }
  }

  #restAfterRun(): void {
    // The word is a hint: it orders nothing.
    const pauseMicros = Atomics.load(this.#words, ControlWord.slowdownMicros);
    if (pauseMicros > 0) this.#writerRestsUntilMs = this.#parts.clock.monotonicMs() + pauseMicros / 1000;
  }

  #stepReader({ id, role }: Running<ReaderRole>): boolean {
    try {
      if (!role.finished) return role.step();
      this.#endReader(role, { id });
    } catch (error) {
      this.#endReader(role, { id, fault: messageOf(error) });
    }
    return true;
  }

  #endReader(role: ReaderRole, end: TaskEnd): void {
    this.#reader = undefined;
    role.close();
    this.#end(end);
  }

  /** Has the reader let go of tables though nobody asks it for anything. */
  #followInReader({ id, role }: Running<ReaderRole>): void {
    try {
      role.follow();
    } catch (error) {
      this.#endReader(role, { id, fault: messageOf(error) });
    }
  }

  #run({ id, task }: WaitingJob): void {
    const wasUrgentRunning = this.#isUrgentRunning;
    this.#isUrgentRunning ||= isUrgent(task);
    // What is due has changed since the job before.
    this.#rolesDueMs = 0;
    const answer = runJob(this.#tableFiles, task, this.#between);
    this.#isUrgentRunning = wasUrgentRunning;
    this.#end({ id, answer });
  }

  /** Jobs call it between two entries. */
  readonly #between = (): void => {
    const { clock } = this.#parts;
    let nowMs = clock.monotonicMs();
    if (nowMs < this.#jobHasUntilMs) return;
    // As in look.
    if (nowMs < this.#rolesDueMs && Atomics.load(this.#words, ControlWord.requestBell) === this.#bell) return;
    this.#look();
    if (this.#runUrgentJob()) nowMs = clock.monotonicMs();
    const worked = this.#stepRoles();
    const afterMs = clock.monotonicMs();
    this.#jobHasUntilMs = afterMs + Math.min(afterMs - nowMs, MAX_JOB_TURN_MS);
    this.#rolesDueMs = worked ? 0 : afterMs + this.#dueMs(afterMs);
  };

  /** Has main make a sync of a job, and roles go on meanwhile. */
  readonly #syncOnMain = (target: SyncCall['target']): void => {
    const sync = this.#syncs.begin(target);
    for (;;) {
      this.#look();
      const end = this.#syncs.endOf(sync);
      if (end !== undefined) {
        const failure = failureOf(end);
        if (failure !== undefined) throw failure;
        return;
      }
      const worked = this.#stepRoles();
      if (!this.#runUrgentJob() && !worked) this.#wait(WaitSiteId.tableSync);
    }
  };

  /** Runs a job that writes wait for, out of another that may take long. */
  #runUrgentJob(): boolean {
    if (this.#isUrgentRunning) return false;
    const at = this.#jobs.findIndex(({ task }) => isUrgent(task));
    if (at === -1) return false;
    this.#run(this.#jobs.splice(at, 1)[0]);
    return true;
  }

  #wait(site: WaitSiteId): void {
    const { clock, waits } = this.#parts;
    const dueMs = this.#dueMs(clock.monotonicMs());
    const began = waits.begin(site);
    // It compares the bell that was there before anything was looked at: what was published since is not missed.
    Atomics.wait(this.#words, ControlWord.requestBell, this.#bell, dueMs);
    waits.end(site, began);
    if (this.#reader !== undefined) this.#followInReader(this.#reader);
  }

  #dueMs(nowMs: number): number {
    let dueMs = IDLE_SLEEP_MS;
    if (this.#writerRestsUntilMs > 0) dueMs = Math.min(dueMs, this.#writerRestsUntilMs - nowMs);
    else if (this.#writer !== undefined) dueMs = Math.min(dueMs, this.#writer.role.dueMs);
    if (this.#reader?.role.waitSite === WaitSiteId.answerRoom) dueMs = Math.min(dueMs, ROOM_LOOK_MS);
    return Math.max(dueMs, 0);
  }

  get #waitSite(): WaitSiteId {
    if (this.#writerRestsUntilMs > 0) return WaitSiteId.slowdown;
    const ofWriter = this.#writer?.role.waitSite ?? WaitSiteId.requests;
    if (ofWriter !== WaitSiteId.requests) return ofWriter;
    return this.#reader?.role.waitSite ?? WaitSiteId.requests;
  }
}

/** What makes room for writes. */
function isUrgent(task: JobTask): boolean {
  return task.role === 'background' && (task.job.job.type === 'flush' || task.job.job.type === 'snapshot');
}

function inboxOf(port: MessagePort): Inbox {
  return () => receiveMessageOnPort(port)?.message as WorkerMessage | undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
