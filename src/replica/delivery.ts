/**
 * Brings the newest record of one key from one replica to another, by the rule that all repair follows: the newest
 * version goes to each of the owners by its own `from`, and to another node of the slot's preference list only where
 * that holds an older one. Nobody else ever gets a copy.
 *
 * Nothing here makes a request of a client: what fails is not remembered as a hint, so repair causes no repair.
 */
import { compareVersions, recordFrom, recordTimestamp, recordWriter } from '../../native-free-lsm/index.ts';
import { FailureCode } from '../failure.ts';
import { type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';

/** How the replicas of the cluster are reached, this node's own too. Its calls are background where they can be. */
export interface ReplicaAccess {
  read(nodeId: string, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void;
  /** Answers the header alone. */
  readVersion(nodeId: string, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void;
  /** Stores the record unless there is a newer one. */
  repairWrite(
    nodeId: string,
    key: Uint8Array,
    record: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void;
}

/** Who holds a key, as the cluster is now. */
export interface PreferenceLists {
  /** The node's place in the preference list of the key; -1: it has none. */
  positionOf(key: Uint8Array, nodeId: string): number;
}

export const Delivered = {
  /** The target has taken the record. */
  written: 0,
  /** The target holds this version or a newer one, or what is older counts as settled there. */
  current: 1,
  /** The target is no owner of the newest version, and holds nothing older. */
  notOwner: 2,
  /** The source has no record. */
  gone: 3,
  /** The source did not give its record. */
  unread: 4,
  /** The target did not take it, or did not say what it holds. */
  refused: 5,
} as const;
export type Delivered = (typeof Delivered)[keyof typeof Delivered];

export interface DeliverySink {
  /**
   * Called exactly once.
   * @param failure a FailureCode, where it has failed
   * @param sentBytes what went to the target
   */
  onDelivered(delivery: Delivery, result: Delivered, failure: number, sentBytes: number): void;
}

export interface DeliveryContext {
  readonly access: ReplicaAccess;
  readonly lists: PreferenceLists;
  /** How long each of its steps may take. */
  readonly timeoutMs: number;
}

/** The steps of a delivery: the reply to each comes with its number. */
const Step = { read: 0, compare: 1, write: 2 } as const;

export class Delivery implements ReplySink {
  readonly key: Uint8Array;
  readonly targetId: string;
  readonly #sourceId: string;
  readonly #context: DeliveryContext;
  readonly #sink: DeliverySink;
  #record: Uint8Array | null = null;

  /** @param sourceId a node that is known to hold what the target lacks */
  constructor(
    context: DeliveryContext,
    key: Uint8Array,
    sourceId: string,
    targetId: string,
    sink: DeliverySink,
  ) {
    this.#context = context;
    this.key = key;
    this.#sourceId = sourceId;
    this.targetId = targetId;
    this.#sink = sink;
  }

  start(): void {
    const { access, timeoutMs } = this.#context;
    access.read(this.#sourceId, this.key, timeoutMs, this, Step.read);
  }

  onReply(step: number, reply: ReplicaReply): void {
    if (step === Step.read) this.#onRead(reply);
    else if (step === Step.compare) this.#onVersion(reply);
    else this.#onWritten(reply);
  }

  #onRead({ kind, record, code }: ReplicaReply): void {
    if (kind === ReplyKind.failed) {
      this.#end(Delivered.unread, code);
      return;
    }
    // A replica that is not whole has what it has all the same.
    if (record === null) {
      this.#end(Delivered.gone);
      return;
    }
    this.#record = record;
    const { access, lists, timeoutMs } = this.#context;
    const position = lists.positionOf(this.key, this.targetId);
    if (position < 0) this.#end(Delivered.notOwner);
    else if (position < recordFrom(record, 0)) this.#write(record);
    else access.readVersion(this.targetId, this.key, timeoutMs, this, Step.compare);
  }

  #onVersion({ kind, record: held, code }: ReplicaReply): void {
    const record = this.#record;
    if (kind === ReplyKind.failed || record === null) this.#end(Delivered.refused, code);
    else if (held === null) this.#end(Delivered.notOwner);
    else if (isOlder(held, record)) this.#write(record);
    else this.#end(Delivered.current);
  }

  #onWritten({ kind, code }: ReplicaReply): void {
    const sentBytes = this.key.length + (this.#record?.length ?? 0);
    if (kind === ReplyKind.ok) this.#end(Delivered.written, FailureCode.none, sentBytes);
    else if (kind === ReplyKind.stale) this.#end(Delivered.current, FailureCode.none, sentBytes);
    else this.#end(Delivered.refused, code, sentBytes);
  }

  #write(record: Uint8Array): void {
    const { access, timeoutMs } = this.#context;
    access.repairWrite(this.targetId, this.key, record, timeoutMs, this, Step.write);
  }

  #end(result: Delivered, failure: number = FailureCode.none, sentBytes = 0): void {
    this.#record = null;
    this.#sink.onDelivered(this, result, failure, sentBytes);
  }
}

function isOlder(held: Uint8Array, record: Uint8Array): boolean {
  const heldTimestamp = recordTimestamp(held, 0);
  const timestamp = recordTimestamp(record, 0);
  return compareVersions(heldTimestamp, recordWriter(held, 0), timestamp, recordWriter(record, 0)) < 0;
}
