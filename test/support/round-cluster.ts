/**
 * Replicas with their anti-entropy, over plain Maps, a clock that is turned by hand and a link that can lose, hold and
 * end at any message. A node can be killed, started again, frozen, emptied and put back to a copy of its records.
 */
import assert from 'node:assert/strict';
import { MapEngine, type MapRecords } from '../../bench/cluster/map-engine.ts';
import {
  encodeRecord,
  isTombstone,
  recordFrom,
  recordTimestamp,
  recordWriter,
  SLOT_COUNT,
  slotOf,
  timestampAt,
  timestampMs,
} from '../../native-free-lsm/index.ts';
import { seededRandom } from '../../src/clock.ts';
import { Placement } from '../../src/cluster/placement.ts';
import { fingerprintSeedOf } from '../../src/cluster/slots.ts';
import { FailureCode } from '../../src/failure.ts';
import { AntiEntropy } from '../../src/replica/anti-entropy/anti-entropy.ts';
import { decodeRequest, type RoundRequest } from '../../src/replica/anti-entropy/messages.ts';
import type { RepairStatus } from '../../src/replica/anti-entropy/repairs.ts';
import { ByteThrottle } from '../../src/replica/byte-throttle.ts';
import { OwnRecords } from '../../src/replica/own-records.ts';
import { Replica } from '../../src/replica/replica.ts';
import { SlotOwners } from '../../src/replica/slot-owners.ts';
import { failed, type ReplicaReply, type ReplySink } from '../../src/reply.ts';
import { FakeClock } from '../../src/simulation/fake-clock.ts';

const GONE = failed(FailureCode.peerLost, 'the connection was lost');
const LATENCY_MS = 1;
const MICROTASKS_PER_TURN = 40;
const SEED = fingerprintSeedOf('rounds');

/** Decides what becomes of a message; undefined: it is delivered. */
type Intercept = (from: number, to: number, request: RoundRequest) => 'lost' | undefined;

export interface RoundClusterOptions {
  readonly nodes: number;
  readonly intervalMs?: number;
  readonly maxValueBytes?: number;
  readonly repairBytesPerSecond?: number;
  /** How long the engine takes for a write; each is asked. */
  readonly writeDelayMs?: () => number;
}

export interface Version {
  /** Since the start of the cluster; most are below zero. */
  readonly atMs: number;
  readonly writer?: number;
  readonly from?: number;
  readonly tombstone?: boolean;
  readonly expiryMs?: number;
  readonly value?: string;
}

/** One process of a node. */
interface Process {
  readonly engine: MapEngine;
  readonly replica: Replica;
  readonly rounds: AntiEntropy;
  readonly watermarks: Float64Array;
  isFrozen: boolean;
  /** What came while it was frozen. */
  readonly held: (() => void)[];
}

export class RoundNode {
  readonly id: string;
  records: MapRecords = new Map();
  incarnation: string;
  isWhole = true;
  isCopying = false;
  process: Process | null = null;

  constructor(index: number) {
    this.id = `n${index}`;
    this.incarnation = `${index}-1`;
  }
}

/** An engine whose purges are the test's, as each node purges when it comes to it. */
class PurgedByHand extends MapEngine {
  override purge(): void {}
}

export class RoundCluster {
  readonly clock = new FakeClock();
  readonly nodes: readonly RoundNode[];
  readonly owners: SlotOwners;
  intercept: Intercept = () => undefined;
  /** Messages that were delivered, and their bytes with those of the answers. */
  messages = 0;
  bytes = 0;
  readonly #options: RoundClusterOptions;
  readonly startMs: number;

  constructor(options: RoundClusterOptions) {
    this.#options = options;
    this.startMs = this.clock.nowMs();
    this.nodes = Array.from({ length: options.nodes }, (_, index) => new RoundNode(index));
    const placement = new Placement(
      this.nodes.map(({ id }) => ({ id, zone: 'here', weight: 1 })),
      'any',
    );
    this.owners = new SlotOwners(
      this.nodes.map(({ id }) => id),
      placement,
    );
  }

  async startAll(): Promise<void> {
    for (const index of this.nodes.keys()) await this.start(index);
  }

  async start(index: number): Promise<void> {
    const node = this.nodes[index];
    assert.equal(node.process, null, 'the node runs already');
    const buffer = new SharedArrayBuffer(SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT);
    const engine = this.#engineOver(node.records, buffer);
    const { clock, owners } = this;
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const wholeness = {
      get isWhole() {
        return node.isWhole;
      },
      isSlotWhole: () => node.isWhole,
    };
    const { intervalMs = 0, maxValueBytes = 8 * 1024, repairBytesPerSecond = 2 ** 30 } = this.#options;
    const rounds = new AntiEntropy({
      nodeId: node.id,
      pace: { begin: () => undefined, rest: async () => undefined },
      throttle: new ByteThrottle(clock, repairBytesPerSecond),
      settings: {
        antiEntropyIntervalMs: intervalMs,
        requestTimeoutMs: 1_000,
        maxClockDriftMs: 500,
        maxValueBytes,
      },
      owners: () => owners,
      engine,
      fingerprintSeed: SEED,
      replica: () => replica,
      records: new OwnRecords(engine),
      watermarks: buffer,
      basis: [node.incarnation],
      wholeness,
      isCopying: () => node.isCopying,
      ownTimeMs: () => clock.nowMs(),
      link: {
        isUp: (id) => this.#isUp(this.#indexOf(id)),
        ask: (id, body, timeoutMs, sink, position) =>
          this.#send(index, process, this.#indexOf(id), body, timeoutMs, sink, position),
      },
      clock,
      random: seededRandom(index + Math.round(clock.monotonicMs())),
      log,
      onSettled: () => undefined,
    });
    const replica = new Replica({
      engine,
      wholeness,
      timestamps: { follow: () => true, nowMs: () => clock.nowMs() },
      settlements: rounds.writes,
      clock,
      maxKeyBytes: 1_024,
      maxRecordBytes: maxValueBytes + 64,
      log,
    });
    const process: Process = {
      engine,
      replica,
      rounds,
      watermarks: new Float64Array(buffer),
      isFrozen: false,
      held: [],
    };
    node.process = process;
    await rounds.load();
    rounds.start();
  }

  /** The process ends; its records stay. */
  kill(index: number): void {
    this.nodes[index].process = null;
  }

  freeze(index: number): void {
    this.#processOf(index).isFrozen = true;
  }

  thaw(index: number): void {
    const process = this.#processOf(index);
    process.isFrozen = false;
    for (const deliver of process.held.splice(0)) deliver();
  }

  /** A copy of the node's folder. */
  copyOf(index: number): MapRecords {
    return new Map(this.nodes[index].records);
  }

  rounds(index: number): AntiEntropy {
    return this.#processOf(index).rounds;
  }

  /** Puts a record where it is, as if it had come before all this. */
  place(index: number, key: string, version: Version): void {
    this.nodes[index].records.set(latin1(key), this.#recordOf(version));
  }

  /** Writes as a client's request, a hint or a read repair does. */
  async write(index: number, key: string, version: Version): Promise<ReplicaReply> {
    const { promise, resolve } = Promise.withResolvers<ReplicaReply>();
    const sink: ReplySink = { onReply: (_, reply) => resolve(reply) };
    this.#processOf(index).replica.writeFromPeer(Buffer.from(key), this.#recordOf(version), sink, 0);
    return this.settle(promise);
  }

  /** What the node holds of the key, as `ms.writer`; null: nothing. */
  held(index: number, key: string): string | null {
    const record = this.nodes[index].records.get(latin1(key));
    if (record === undefined) return null;
    const atMs = timestampMs(recordTimestamp(record, 0)) - this.startMs;
    const version = `${atMs}.${recordWriter(record, 0)}`;
    return isTombstone(record, 0) ? `deleted ${version}` : version;
  }

  /** The clock, as versions have it. */
  sinceStartMs(): number {
    return this.clock.nowMs() - this.startMs;
  }

  runningNodes(): number[] {
    return [...this.nodes.keys()].filter((index) => this.#isUp(index) && !this.#isFrozen(index));
  }

  /** Positions in the key's preference list, as indexes of nodes. */
  listOf(key: string): number[] {
    return [...this.owners.listOf(slotOf(Buffer.from(key)))];
  }

  watermark(index: number, key: string): number {
    return this.watermarkOf(index, slotOf(Buffer.from(key)));
  }

  watermarkOf(index: number, slot: number): number {
    return this.#processOf(index).watermarks[slot];
  }

  /** Does what a bottom-level compaction may do: drops tombstones and expired values up to the watermark. */
  purge(index: number): void {
    const node = this.nodes[index];
    const { watermarks } = this.#processOf(index);
    for (const [key, record] of node.records) {
      if (recordFrom(record, 0) === 0 || !isTombstone(record, 0)) continue;
      const slot = slotOf(Buffer.from(key, 'latin1'));
      if (recordTimestamp(record, 0) <= watermarks[slot]) node.records.delete(key);
    }
  }

  /** Asks a node for a repair of all slots, on all nodes, and waits until it is over. */
  async roundOverAll(index = 0, first = 0, last = SLOT_COUNT - 1): Promise<readonly string[]> {
    const rounds = this.rounds(index);
    rounds.repair(first, last);
    const repair = (): RepairStatus => rounds.figures().repair as RepairStatus;
    await this.until(
      () => repair().isDone || this.nodes[index].process?.rounds !== rounds || this.#isFrozen(index),
    );
    return repair().obstacles;
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = (): void => {
      isSettled = true;
    };
    promise.then(end, end);
    await this.until(() => isSettled);
    return promise;
  }

  async until(condition: () => boolean, maxTurns = 20_000): Promise<void> {
    for (let turn = 0; ; turn++) {
      for (let i = 0; i < MICROTASKS_PER_TURN; i++) await undefined;
      if (condition()) return;
      assert.ok(turn < maxTurns, 'it never comes');
      // What takes long waits for a time-out.
      this.clock.advance(turn < 100 ? 1 : turn < 300 ? 5 : 100);
    }
  }

  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += ms / 20) {
      this.clock.advance(ms / 20);
      for (let i = 0; i < MICROTASKS_PER_TURN; i++) await undefined;
    }
  }

  /** Which owners differ: for each key, what each of its `from` owners holds, where they do not agree. */
  differences(): string[] {
    const keys = new Set(this.nodes.flatMap(({ records }) => [...records.keys()]));
    const found: string[] = [];
    for (const key of keys) {
      const records = this.nodes.flatMap(({ records: own }) => own.get(key) ?? []);
      if (records.some((record) => recordFrom(record, 0) === 0)) continue;
      const name = Buffer.from(key, 'latin1').toString();
      const newest = records.reduce((a, b) => (isNewer(b, a) ? b : a));
      for (const index of this.nodes.keys()) {
        const position = this.owners.positionOf(slotOf(Buffer.from(key, 'latin1')), index);
        const held = this.nodes[index].records.get(key);
        const isOwner = position >= 0 && position < recordFrom(newest, 0);
        if (held === undefined ? isOwner && !isTombstone(newest, 0) : isNewer(newest, held))
          found.push(`n${index} ${name}: ${this.held(index, name)}`);
      }
    }
    return found;
  }

  #send(
    from: number,
    sender: Process,
    to: number,
    body: Uint8Array,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
  ): void {
    const bytes = Uint8Array.from(body);
    const request = decodeRequest(bytes);
    this.messages++;
    this.bytes += bytes.length;
    let isAnswered = false;
    const answer = (reply: ReplicaReply): void => {
      if (isAnswered) return;
      isAnswered = true;
      this.bytes += reply.record?.length ?? 0;
      sink.onReply(position, reply);
    };
    this.clock.after(timeoutMs, () => answer(GONE));
    const fate = this.intercept(from, to, request);
    const process = this.nodes[to].process;
    if (fate === 'lost' || process === null) {
      this.clock.after(LATENCY_MS, () => answer(GONE));
      return;
    }
    // Neither end of a message is there any more once its process has ended.
    const deliver = (): void => {
      if (this.nodes[to].process !== process) {
        answer(GONE);
        return;
      }
      process.rounds.serve(
        bytes,
        timeoutMs,
        {
          onReply: (_, reply) =>
            void this.clock.after(LATENCY_MS, () => {
              if (this.nodes[from].process !== sender) return;
              if (this.nodes[to].process === process) answer(reply);
              else answer(GONE);
            }),
        },
        0,
      );
    };
    this.clock.after(LATENCY_MS, () => {
      if (process.isFrozen) process.held.push(deliver);
      else deliver();
    });
  }

  /** Its writes take their time, each its own: they may overtake each other, but for those of one key. */
  #engineOver(records: MapRecords, watermarks: SharedArrayBuffer): MapEngine {
    const engine = new PurgedByHand(records, SEED, watermarks);
    const { writeDelayMs } = this.#options;
    if (writeDelayMs === undefined) return engine;
    const { clock } = this;
    const writeNow = engine.write.bind(engine);
    engine.write = (key, record, sink, token) => {
      clock.after(writeDelayMs(), () => writeNow(key, record, sink, token));
    };
    return engine;
  }

  #isFrozen(index: number): boolean {
    return this.nodes[index].process?.isFrozen === true;
  }

  #isUp(index: number): boolean {
    return this.nodes[index].process !== null;
  }

  #recordOf(version: Version): Uint8Array {
    const { atMs, writer = 1, from = 3, tombstone = false, expiryMs = 0, value = 'v' } = version;
    const bytes = tombstone ? new Uint8Array(0) : Buffer.from(value);
    const timestamp = timestampAt(this.startMs + atMs);
    return encodeRecord({ timestamp, writer, tombstone, from, expiryMs }, bytes);
  }

  #indexOf(id: string): number {
    return this.owners.nodeIds.indexOf(id);
  }

  #processOf(index: number): Process {
    const { process } = this.nodes[index];
    assert.ok(process !== null, 'the node does not run');
    return process;
  }
}

function isNewer(a: Uint8Array, b: Uint8Array): boolean {
  return (recordTimestamp(a, 0) - recordTimestamp(b, 0) || recordWriter(a, 0) - recordWriter(b, 0)) > 0;
}

function latin1(key: string): string {
  return Buffer.from(key).toString('latin1');
}
