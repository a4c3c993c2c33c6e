/**
 * How records of a round come into this node's store. Unlike other writes they may be older than a barrier: they are
 * versions that some owner had when the slot was closed. But what is settled stays settled: a value that this node has
 * not, and would have if it were alive, was deleted or has expired everywhere, and is not stored again.
 */
import {
  encodeRecord,
  Fingerprinter,
  type HashSeed,
  isTombstone,
  type ReadSink,
  recordFrom,
  recordTimestamp,
  slotOf,
} from '../../../native-free-lsm/index.ts';
import { type ReplicaReply, ReplyKind, type ReplySink, SETTLED_WRITER } from '../../reply.ts';
import type { StorageEngine } from '../storage-engine.ts';

const NO_VALUE = new Uint8Array(0);
const WRITE_TIMEOUT_MS = 10_000;

export const StoreOutcome = {
  stored: 'stored',
  /** The same version or a newer one is there, or the node is not to have it. */
  kept: 'kept',
  /** It is settled that nothing is left of this version. */
  dead: 'dead',
  failed: 'failed',
} as const;
export type StoreOutcome = (typeof StoreOutcome)[keyof typeof StoreOutcome];

/** The part of the replica that takes records of a round. */
interface RoundReplica {
  writeOfRound(
    key: Uint8Array,
    record: Uint8Array,
    sink: ReplySink,
    position: number,
    timeoutMs: number,
  ): void;
}

interface RoundRecordsOptions {
  readonly replica: RoundReplica;
  readonly engine: Pick<StorageEngine, 'read' | 'slotVersions'>;
  readonly fingerprintSeed: HashSeed;
  /** What this node has settled of a slot; 0: nothing, or its data is not whole. */
  readonly settledAt: (slot: number) => number;
  /** The node's position in the slot's preference list; -1: it is no owner. */
  readonly positionIn: (slot: number) => number;
}

export class RoundRecords {
  readonly #options: RoundRecordsOptions;

  constructor(options: RoundRecordsOptions) {
    this.#options = options;
  }

  async store(key: Uint8Array, record: Uint8Array): Promise<StoreOutcome> {
    const { settledAt, positionIn } = this.#options;
    const slot = slotOf(key);
    const position = positionIn(slot);
    if (position < 0) return StoreOutcome.failed;
    if (recordTimestamp(record, 0) <= settledAt(slot) && !isTombstone(record, 0)) {
      const held = await this.#isHeld(key);
      if (held === null) return StoreOutcome.failed;
      if (!held) return recordFrom(record, 0) > position ? StoreOutcome.dead : StoreOutcome.kept;
    }
    return this.write(key, record);
  }

  /** Hides what is left of a version that is settled to be gone, by a tombstone that is newer than it alone. */
  bury(key: Uint8Array, record: Uint8Array): Promise<StoreOutcome> {
    const fields = {
      timestamp: recordTimestamp(record, 0),
      writer: SETTLED_WRITER,
      tombstone: true,
      from: recordFrom(record, 0),
      expiryMs: 0,
    };
    return this.write(key, encodeRecord(fields, NO_VALUE));
  }

  /** Stores it, unless there is a newer one. */
  async write(key: Uint8Array, record: Uint8Array): Promise<StoreOutcome> {
    const { promise, resolve } = Promise.withResolvers<ReplicaReply>();
    const sink = { onReply: (_: number, reply: ReplicaReply) => resolve(reply) };
    this.#options.replica.writeOfRound(key, record, sink, 0, WRITE_TIMEOUT_MS);
    const { kind } = await promise;
    if (kind === ReplyKind.ok) return StoreOutcome.stored;
    return kind === ReplyKind.stale ? StoreOutcome.kept : StoreOutcome.failed;
  }

  /** Whether this node has a version of the key, or had one that its disk has lost; null: that cannot be told now. */
  async #isHeld(key: Uint8Array): Promise<boolean | null> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array | Error | null>();
    const sink: ReadSink = { onRead: (_, record, error) => resolve(error ?? record) };
    this.#options.engine.read(key, sink, 0);
    const read = await promise;
    if (!(read instanceof Error)) return read !== null;
    // Where nothing says which keys are lost, the key may be none of them.
    return (await this.#isListed(key)) ? true : null;
  }

  async #isListed(key: Uint8Array): Promise<boolean> {
    const { engine, fingerprintSeed } = this.#options;
    const fingerprinter = new Fingerprinter(fingerprintSeed);
    fingerprinter.take(key, 0, key.length);
    try {
      const { count, fingerprintHighs, fingerprintLows } = await engine.slotVersions(slotOf(key));
      for (let at = 0; at < count; at++)
        if (fingerprintHighs[at] === fingerprinter.high && fingerprintLows[at] === fingerprinter.low)
          return true;
    } catch {
      // Nobody knows now; the next round asks again.
    }
    return false;
  }
}
