import { NO_CALL } from '../call-table.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';
import type { EngineOptions } from '../options.ts';
import type { EpochDomain } from '../shared/epochs.ts';
import { createRing, ringBytesFor, usualRingBytes } from '../shared/ring.ts';
import type { Executor, RoleHandle } from '../threads/executor.ts';
import type { RoleInit } from '../threads/protocol/posted-messages.ts';
import { encodeWake, WAKE_BYTES } from '../threads/protocol/reader-messages.ts';
import { READER_REQUEST_RING_BYTES, ReaderChannel } from './reader-channel.ts';
import type { SuperVersions } from './super-versions.ts';

const FIRST_THREAD = 2;
const MAX_PAGE_BYTES = 1024 * 1024;
/** The most entries that a page looks at, so that a long run of deletions cannot keep the thread busy. */
export const MAX_PAGE_ENTRIES = 50_000;

interface ReaderChannelsParts {
  readonly executor: Executor;
  readonly superVersions: SuperVersions;
  readonly epochs: EpochDomain;
  readonly cache: SharedArrayBuffer;
  readonly options: Pick<EngineOptions, 'maxRecordBytes' | 'memtableBytes'>;
  readonly initOf: (requests: SharedArrayBuffer, responses: SharedArrayBuffer, thread: number) => RoleInit;
  /** A thread has ended; with an error it was not told to. */
  readonly onEnded: (channel: number, error: Error | undefined) => void;
}

/** The largest page that is read at a time: what an engine with small memtables holds may be little, too. */
export function maxPageBytes({ memtableBytes }: Pick<EngineOptions, 'memtableBytes'>): number {
  return Math.min(MAX_PAGE_BYTES, usualRingBytes(memtableBytes) / 2);
}

/** One channel for each thread that searches the disk. A channel keeps its index when its thread is replaced. */
export class ReaderChannels {
  readonly channels: ReaderChannel[] = [];
  /** They settle when the threads that were started last have ended. */
  readonly ended: Promise<void>[] = [];
  readonly #parts: ReaderChannelsParts;

  constructor(parts: ReaderChannelsParts) {
    this.#parts = parts;
  }

  /** Starts the thread of a channel: its first, or a successor of one that has died. */
  start(index: number): void {
    this.renew(index);
    this.begin(index);
  }

  /** Puts a channel without a thread in the place of one whose thread is dead, if there was one. */
  renew(index: number): void {
    const { epochs, options, superVersions } = this.#parts;
    // Room for the largest page, or for the largest record as a page of its own, and for the key to continue from.
    const pageBytes = Math.max(options.maxRecordBytes, maxPageBytes(options)) + MAX_KEY_BYTES;
    const responseBytes = ringBytesFor(pageBytes, usualRingBytes(options.memtableBytes));
    const channel = new ReaderChannel(
      createRing(READER_REQUEST_RING_BYTES),
      createRing(responseBytes),
      FIRST_THREAD + index,
    );
    const previous = this.channels[index];
    this.channels[index] = channel;
    if (previous === undefined) channel.epoch = epochs.register(channel.requests);
    else {
      channel.epoch = previous.epoch;
      epochs.replace(channel.epoch, channel.requests);
      if (previous.handle !== undefined) superVersions.unlink(previous.handle);
    }
  }

  /** Starts the thread of a channel that has none. */
  begin(index: number): void {
    const { cache, executor, initOf, onEnded, superVersions } = this.#parts;
    const channel = this.channels[index];
    const handle: RoleHandle = executor.startReader({
      ...initOf(channel.requestRing, channel.responseRing, channel.thread),
      cache,
      number: index + 1,
    });
    channel.handle = handle;
    // All that requests in the ring name, too, as these keep it.
    superVersions.link(handle);
    this.ended[index] = handle.exited.then((error) => onEnded(index, error));
  }

  /** The indexes of those whose threads could not be started, and have not come since. */
  get down(): number[] {
    return [...this.channels.keys()].filter((index) => this.channels[index].isDown);
  }

  /** Has the threads look up without a request. */
  nudge(): void {
    for (const { requests } of this.channels) requests.nudge();
  }

  /** Has the threads look at their messages, and at the word that stops them. */
  wake(): void {
    for (const { requests } of this.channels) {
      const at = requests.reserve(WAKE_BYTES);
      if (at === -1) continue;
      encodeWake(requests.bytes, at);
      requests.push(NO_CALL);
    }
  }
}
