/**
 * Measures the peers' clocks twice a second, at once when this node's clock has jumped, and says in the node's log and
 * status when that keeps it from writing.
 */
import type { Clock, TimerHandle } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import { errorMessage } from '../errors.ts';
import type { OwnTime } from '../own-time.ts';
import { type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';
import { decodeClock } from '../rpc/clock-message.ts';

export const CLOCK_OFF = 'CLOCK_OFF';
const PERIOD_MS = 500;
/** While the clock is not known to be right. */
const DOUBT_PERIOD_MS = 100;
/** Between two measurements, whatever asks for them. */
const MIN_PERIOD_MS = 20;
/** Between two doubts that are looked into at once: a peer whose clock is wrong raises one with every write. */
const DOUBT_PAUSE_MS = 1_000;
const TIMEOUT_MS = 400;

interface ClockWatchOptions {
  readonly clock: Clock;
  readonly time: OwnTime;
  /** Asks a node what time it is for it. */
  readonly ask: (nodeId: string, timeoutMs: number, sink: ReplySink, position: number) => void;
  /** Ids of the other nodes as the cluster is now. */
  readonly peerIds: () => readonly string[];
  readonly conditions: Conditions;
  readonly log: { error(message: string): void };
}

export class ClockWatch {
  readonly #options: ClockWatchOptions;
  #timer: TimerHandle | null = null;
  #dueMs = 0;
  #nextDoubtMs = 0;
  #beganMs = Number.NEGATIVE_INFINITY;
  #round: MeasuringRound | null = null;
  /** Another round is to follow the one that is under way. */
  #isWanted = false;
  #refusal: string | undefined;
  #isClosed = false;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
    options.time.onDoubt = (hasJumped) => this.#doubt(hasJumped);
  }

  /**
   * Measures as soon as it may, because a peer has come. A round that is under way ends before: with a peer that keeps
   * coming and another one that does not answer, no round would ever end.
   */
  measureSoon(): void {
    if (this.#isMeasuring) this.#isWanted = true;
    else this.#measureNext();
  }

  /** All doubts come here, and whoever raises them: more than the rhythm they bring one measurement a second. */
  #doubt(hasJumped: boolean): void {
    // What was asked before a jump is not waited for: all clocks may have jumped with this one.
    if (!hasJumped && this.#isMeasuring) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs >= this.#nextDoubtMs) {
      this.#nextDoubtMs = nowMs + DOUBT_PAUSE_MS;
      this.#measureNext();
      // Writes wait from the jump on: that is the rhythm of a clock that is not known to be right.
    } else if (hasJumped) this.#measureIn(Math.max(this.#beganMs + DOUBT_PERIOD_MS - nowMs, 0));
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  get #isMeasuring(): boolean {
    return this.#round !== null && !this.#round.isOver;
  }

  #measureNext(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#measureIn(Math.max(this.#beganMs + MIN_PERIOD_MS - nowMs, 0));
  }

  #measureIn(delayMs: number): void {
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    if (this.#isClosed || (this.#timer !== null && this.#dueMs <= dueMs)) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = clock.after(delayMs, () => {
      this.#timer = null;
      this.#measure();
    });
  }

  #measure(): void {
    const { ask, clock } = this.#options;
    const peerIds = this.#options.peerIds();
    this.#beganMs = clock.monotonicMs();
    this.#isWanted = false;
    this.#measureIn(PERIOD_MS);
    const round = new MeasuringRound(this.#beganMs, peerIds.length, (position, reply) =>
      this.#hear(round, peerIds[position], reply),
    );
    this.#round = round;
    for (const [position, peerId] of peerIds.entries()) ask(peerId, TIMEOUT_MS, round, position);
    if (peerIds.length === 0) this.#judge(true);
  }

  #hear(round: MeasuringRound, peerId: string, { kind, record }: ReplicaReply): void {
    if (round !== this.#round || this.#isClosed) return;
    const { clock, time } = this.#options;
    const times = kind === ReplyKind.ok && record !== null ? decodeClock(record) : null;
    if (times !== null) {
      const takenAtMs = clock.monotonicMs();
      const halfMs = (takenAtMs - round.beganMs) / 2;
      // It was asked for its clocks half way there and back, as far as can be told.
      const askedAtMs = round.beganMs + halfMs;
      time.heard(peerId, {
        wallOffsetMs: times.wallMs - askedAtMs,
        ownOffsetMs: times.ownMs === 0 ? Number.NEGATIVE_INFINITY : times.ownMs - askedAtMs,
        acceptOffsetMs: times.acceptMs - askedAtMs,
        uncertaintyMs: halfMs + 1,
        takenAtMs,
      });
    }
    this.#judge(round.isOver);
    if (round.isOver && this.#isWanted) this.#measureNext();
  }

  #judge(isComplete: boolean): void {
    const { conditions, log, time } = this.#options;
    try {
      if (time.judge(isComplete) && isComplete) this.#measureIn(DOUBT_PERIOD_MS);
    } catch (error) {
      // Those who waited for the clock are told within; none of them must stop the watch.
      log.error(`A write that waited for the clock failed: ${errorMessage(error)}`);
    }
    const { refusal } = time;
    if (refusal !== undefined) conditions.raise(CLOCK_OFF, `${refusal}.`, true);
    else if (this.#refusal !== undefined)
      conditions.clear(CLOCK_OFF, 'The clock of this node is right: it takes writes');
    this.#refusal = refusal;
  }
}

/** The answers to one round of questions. */
class MeasuringRound implements ReplySink {
  readonly beganMs: number;
  readonly #heard: (position: number, reply: ReplicaReply) => void;
  #out: number;

  constructor(beganMs: number, questions: number, heard: (position: number, reply: ReplicaReply) => void) {
    this.beganMs = beganMs;
    this.#out = questions;
    this.#heard = heard;
  }

  get isOver(): boolean {
    return this.#out === 0;
  }

  onReply(position: number, reply: ReplicaReply): void {
    this.#out--;
    this.#heard(position, reply);
  }
}
