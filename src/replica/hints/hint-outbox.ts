/**
 * Hints that other owners are to remember: gathered for some moments, so that one message asks for many. Nothing is kept
 * here when the answer is a failure: what is lost so is counted, and left to anti-entropy.
 */
import type { Clock, TimerHandle } from '../../clock.ts';
import { type ReplicaReply, ReplyKind, type ReplySink } from '../../reply.ts';
import { emptyPageBytes, encodeHintPage, hintBytes } from './hint-page.ts';

const GATHER_MS = 20;
/** It fits into a message to every node, however small its clients' values are. */
const MAX_SENT_PAGE_BYTES = 6 * 1024;
/** Who keeps them counts their age. */
const NOT_KEPT_YET = 0;
/** What waits for an answer. */
const MAX_UNANSWERED_BYTES = 1024 * 1024;

/** How other nodes are asked to remember. */
export interface HintPeers {
  /** Answers ok when the hints are stored. */
  hint(
    holderId: string,
    missedId: string,
    page: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void;
}

/** Keys of which one node missed a write and another took it. */
interface OpenPage {
  readonly holderId: string;
  readonly missedId: string;
  readonly keys: Map<string, Uint8Array>;
  bytes: number;
}

export class HintOutbox {
  passedOn = 0;
  inVain = 0;
  overflowed = 0;
  readonly #peers: HintPeers;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #open = new Map<string, OpenPage>();
  #timer: TimerHandle | null = null;
  #unansweredBytes = 0;

  constructor(peers: HintPeers, clock: Clock, timeoutMs: number) {
    this.#peers = peers;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param holderId who is to remember
   * @param missedId what node missed a write of the key
   */
  add(holderId: string, missedId: string, key: Uint8Array): void {
    if (this.#unansweredBytes > MAX_UNANSWERED_BYTES) {
      this.overflowed++;
      return;
    }
    const way = `${holderId} ${missedId}`;
    let page = this.#open.get(way);
    if (page !== undefined && page.bytes + hintBytes(key) > MAX_SENT_PAGE_BYTES) {
      this.#send(page);
      page = undefined;
    }
    if (page === undefined) {
      page = { holderId, missedId, keys: new Map(), bytes: emptyPageBytes() };
      this.#open.set(way, page);
    }
    const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
    if (page.keys.has(name)) return;
    page.keys.set(name, Uint8Array.from(key));
    page.bytes += hintBytes(key);
    this.#timer ??= this.#clock.after(GATHER_MS, () => this.#sendAll());
  }

  /** Sends what has gathered. */
  close(): void {
    this.#sendAll();
  }

  #sendAll(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const pages = [...this.#open.values()];
    this.#open.clear();
    for (const page of pages) this.#send(page);
  }

  #send({ holderId, missedId, keys, bytes }: OpenPage): void {
    const page = encodeHintPage(NOT_KEPT_YET, keys.values(), bytes);
    this.passedOn += keys.size;
    this.#unansweredBytes += bytes;
    const onReply = (_position: number, { kind }: ReplicaReply): void => {
      this.#unansweredBytes -= bytes;
      if (kind !== ReplyKind.ok) this.inVain += keys.size;
    };
    this.#peers.hint(holderId, missedId, page, this.#timeoutMs, { onReply }, 0);
  }
}
