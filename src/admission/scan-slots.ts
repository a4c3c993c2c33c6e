/**
 * Who may stream a scan. There are a few slots; whoever comes when all are taken waits for a moment, and a slot that
 * becomes free goes to the client that has the fewest. When none does, and a client has at least two more than the one
 * that waits, its slowest scan gives way: so a client that reads slowly, or many times at once, keeps no other out, and
 * clients that have no more than their share are left in peace. Whoever still has none is refused.
 */
import type { Clock, TimerHandle } from '../clock.ts';
import { LineEntry } from './waiting-line.ts';

/** A scan. `slotSinceMs` belongs to the slots. */
export interface Scan {
  readonly client: string;
  /** What its client has taken since the scan has its slot. */
  readonly sentBytes: number;
  /** When it came; once it has a slot, when it got it. */
  slotSinceMs: number;
  /** It has a slot from now on and must `leave` when it is over. */
  onSlot(): void;
  /** No slot was free in time: it waits no longer. */
  onNoSlot(): void;
  /** Its slot is another's now. */
  onGiveWay(): void;
}

export interface ScanFigures {
  readonly streaming: number;
  readonly waiting: number;
  /** Since the start. Scans that gave way were ended so that another client had a slot. */
  readonly gaveWay: number;
  readonly tooSlow: number;
}

/** A scan holds a few pages and keeps a reader busy: a few at a time fill the disk's or the network's width. */
export const MAX_SCANS = 16;
/** Each holds a connection and its request, and no more. */
const MAX_WAITING = 64;
const MAX_WAITING_OF_CLIENT = 4;

export class ScanSlots {
  readonly #patienceMs: number;
  readonly #clock: Clock;
  readonly #streaming = new Set<Scan>();
  /** In the order they came. */
  readonly #waiting = new Set<Scan>();
  #timer: TimerHandle | null = null;
  #gaveWay = 0;
  #tooSlow = 0;

  /** @param patienceMs how long one waits before another gives way, or it is refused */
  constructor(patienceMs: number, clock: Clock) {
    this.#patienceMs = patienceMs;
    this.#clock = clock;
  }

  get figures(): ScanFigures {
    return {
      streaming: this.#streaming.size,
      waiting: this.#waiting.size,
      gaveWay: this.#gaveWay,
      tooSlow: this.#tooSlow,
    };
  }

  /** `now`: it has a slot and must `leave`. `waiting`: one of its calls follows, unless it leaves before. */
  enter(scan: Scan): LineEntry {
    const nowMs = this.#clock.monotonicMs();
    if (this.#streaming.size < MAX_SCANS) {
      this.#take(scan, nowMs);
      return LineEntry.now;
    }
    const ofClient = countOf(this.#waiting, scan.client);
    if (this.#waiting.size >= MAX_WAITING || ofClient >= MAX_WAITING_OF_CLIENT) return LineEntry.refused;
    scan.slotSinceMs = nowMs;
    this.#waiting.add(scan);
    this.#timer ??= this.#clock.after(this.#patienceMs, this.#onPatienceOver);
    return LineEntry.waiting;
  }

  /** Also for one that waits, and for one that gave way. */
  leave(scan: Scan): void {
    if (this.#waiting.delete(scan) || !this.#streaming.delete(scan)) return;
    let next: Scan | null = null;
    let fewest = Number.POSITIVE_INFINITY;
    for (const candidate of this.#waiting) {
      const count = countOf(this.#streaming, candidate.client);
      if (count < fewest) {
        next = candidate;
        fewest = count;
      }
    }
    if (next !== null) this.#serve(next, this.#clock.monotonicMs());
  }

  countTooSlow(): void {
    this.#tooSlow++;
  }

  /** Nobody waits any longer. */
  flush(): void {
    for (const scan of this.#waiting) this.#refuse(scan);
    this.#timer?.cancel();
    this.#timer = null;
  }

  readonly #onPatienceOver = (): void => {
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    for (const scan of this.#waiting) {
      const leftMs = scan.slotSinceMs + this.#patienceMs - nowMs;
      if (leftMs > 0) {
        this.#timer = this.#clock.after(leftMs, this.#onPatienceOver);
        return;
      }
      const slowest = this.#whoGivesWayTo(scan.client, nowMs);
      if (slowest === null) {
        this.#refuse(scan);
      } else {
        this.#gaveWay++;
        this.#streaming.delete(slowest);
        this.#serve(scan, nowMs);
        slowest.onGiveWay();
      }
    }
  };

  /** The slowest scan of the client that has the most slots, if it has at least two more than `client`. */
  #whoGivesWayTo(client: string, nowMs: number): Scan | null {
    let most = countOf(this.#streaming, client) + 1;
    let slowest: Scan | null = null;
    for (const scan of this.#streaming) {
      const count = countOf(this.#streaming, scan.client);
      if (count < most || (count === most && slowest === null)) continue;
      if (slowest !== null && count === most && rateOf(scan, nowMs) >= rateOf(slowest, nowMs)) continue;
      most = count;
      slowest = scan;
    }
    return slowest;
  }

  #take(scan: Scan, nowMs: number): void {
    scan.slotSinceMs = nowMs;
    this.#streaming.add(scan);
  }

  #serve(scan: Scan, nowMs: number): void {
    this.#waiting.delete(scan);
    this.#take(scan, nowMs);
    scan.onSlot();
  }

  #refuse(scan: Scan): void {
    this.#waiting.delete(scan);
    scan.onNoSlot();
  }
}

function countOf(scans: Iterable<Scan>, client: string): number {
  let count = 0;
  for (const scan of scans) if (scan.client === client) count++;
  return count;
}

function rateOf(scan: Scan, nowMs: number): number {
  return scan.sentBytes / Math.max(1, nowMs - scan.slotSinceMs);
}
