/**
 * The clocks of a cluster without the rest of it: hybrid clocks that measure each other over a network that a test can
 * cut, with wall clocks that it can set, all on one fake time.
 */

import { timestampMs } from '../../native-free-lsm/index.ts';
import type { Clock, TimerHandle } from '../../src/clock.ts';
import { Conditions } from '../../src/conditions.ts';
import { FailureCode } from '../../src/failure.ts';
import { HybridClock } from '../../src/hybrid-clock.ts';
import { ClockWatch } from '../../src/node/clock-watch.ts';
import { failed, found, type ReplySink } from '../../src/reply.ts';
import { encodeClock } from '../../src/rpc/clock-message.ts';
import type { FakeClock } from '../../src/simulation/fake-clock.ts';

export const MAX_DRIFT_MS = 500;
const DOWN = failed(FailureCode.peerUnavailable, 'down');

/** A wall clock of its own over a time that all share. */
export class SkewedClock implements Clock {
  readonly #base: FakeClock;
  /** How far its wall clock is ahead, and how much further each second. */
  offsetMs = 0;
  driftMsPerS = 0;
  #driftFromMs = 0;
  /** How long its machine was suspended before, and since when it is suspended now. */
  #suspendedMs = 0;
  #suspendedAtMs: number | null = null;
  /** Timers that became due meanwhile. */
  readonly #held: (() => void)[] = [];

  constructor(base: FakeClock) {
    this.#base = base;
  }

  /** Sets the wall clock. From then on it runs right, unless told otherwise. */
  set(offsetMs: number, driftMsPerS = 0): void {
    this.offsetMs = offsetMs;
    this.driftMsPerS = driftMsPerS;
    this.#driftFromMs = this.#base.monotonicMs();
  }

  nowMs(): number {
    const driftedMs = ((this.#base.monotonicMs() - this.#driftFromMs) / 1000) * this.driftMsPerS;
    return Math.floor(this.#base.nowMs() + this.offsetMs + driftedMs);
  }

  /** The machine sleeps: the monotonic clock stands still, and no timer runs. */
  suspend(): void {
    this.#suspendedAtMs = this.#base.monotonicMs();
  }

  resume(): void {
    if (this.#suspendedAtMs === null) return;
    this.#suspendedMs += this.#base.monotonicMs() - this.#suspendedAtMs;
    this.#suspendedAtMs = null;
    for (const callback of this.#held.splice(0)) callback();
  }

  monotonicMs(): number {
    return (this.#suspendedAtMs ?? this.#base.monotonicMs()) - this.#suspendedMs;
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    return this.#base.after(delayMs, () => {
      if (this.#suspendedAtMs === null) callback();
      else this.#held.push(callback);
    });
  }

  every(periodMs: number, callback: () => void): TimerHandle {
    return this.#base.every(periodMs, callback);
  }

  endOfTurn(callback: () => void): void {
    this.#base.endOfTurn(callback);
  }
}

interface ClockNetwork {
  readonly base: FakeClock;
  readonly latencyMs: (isQuestion: boolean) => number;
  readonly maxDriftMs: number;
}

/** One node's clock. A restart makes another over the same `clock` and `ceiling`. */
export class ClockNode {
  readonly clock: SkewedClock;
  /** The ceiling in its identity file. */
  ceiling = 0;
  isUp = false;
  hybrid!: HybridClock;
  conditions!: Conditions;
  readonly logged: string[] = [];
  #watch: ClockWatch | null = null;
  readonly #index: number;
  readonly #nodes: readonly ClockNode[];
  readonly #network: ClockNetwork;

  constructor(index: number, nodes: readonly ClockNode[], network: ClockNetwork) {
    this.#index = index;
    this.#nodes = nodes;
    this.#network = network;
    this.clock = new SkewedClock(network.base);
  }

  start(): void {
    const { clock } = this;
    const noteIt = (message: string): void => void this.logged.push(message);
    this.conditions = new Conditions({ clock, log: { info: noteIt, error: noteIt } });
    this.isUp = true;
    this.hybrid = new HybridClock({
      clock,
      clusterSize: this.#nodes.length,
      ceiling: this.ceiling,
      reserve: async (ceiling) => {
        this.ceiling = ceiling;
      },
      maxDriftMs: this.#network.maxDriftMs,
    });
    const peerIds = this.#nodes.flatMap((_, i) => (i === this.#index ? [] : [`${i}`]));
    const { conditions, hybrid } = this;
    this.#watch = new ClockWatch({
      clock,
      time: hybrid.time,
      ask: (nodeId, timeoutMs, sink, position) => this.#ask(Number(nodeId), timeoutMs, sink, position),
      peerIds: () => peerIds,
      conditions,
      log: { error: noteIt },
    });
    this.#watch.measureSoon();
  }

  stop(): void {
    this.isUp = false;
    this.#watch?.close();
  }

  /** How far the next timestamp would be ahead of the right time; undefined when there is none. */
  issuedAheadMs(): number | undefined {
    const timestamp = this.hybrid.issue();
    return timestamp === 0 ? undefined : timestampMs(timestamp) - this.#network.base.nowMs();
  }

  #ask(node: number, timeoutMs: number, sink: ReplySink, position: number): void {
    const { base, latencyMs } = this.#network;
    const peer = this.#nodes[node];
    if (!peer.isUp) {
      sink.onReply(position, DOWN);
      return;
    }
    let isAnswered = false;
    const answer: ReplySink['onReply'] = (_, reply) => {
      if (!isAnswered) sink.onReply(position, reply);
      isAnswered = true;
    };
    const { hybrid } = peer;
    base.after(latencyMs(true), () => {
      if (!peer.isUp || peer.hybrid !== hybrid) return;
      const record = encodeClock(hybrid.time.reading());
      base.after(latencyMs(false), () => answer(position, found(record)));
    });
    base.after(timeoutMs, () => answer(position, DOWN));
  }
}

export function clockNodes(
  count: number,
  base: FakeClock,
  latencyMs: ClockNetwork['latencyMs'] = () => 1,
  maxDriftMs = MAX_DRIFT_MS,
): readonly ClockNode[] {
  const nodes: ClockNode[] = [];
  for (let i = 0; i < count; i++) nodes.push(new ClockNode(i, nodes, { latencyMs, base, maxDriftMs }));
  return nodes;
}

/** Lets time pass in small steps. After each step, the promises that it settled run. */
export async function pass(base: FakeClock, ms: number, stepMs = 5): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
    base.advance(Math.min(stepMs, ms - passedMs));
    await settle();
  }
}

export async function settle(): Promise<void> {
  for (let i = 0; i < 6; i++) await null;
}
