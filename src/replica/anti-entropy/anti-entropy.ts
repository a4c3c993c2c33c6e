/**
 * Anti-entropy of one node: it leads rounds over the slots that it is the first owner of, on a schedule, when a node
 * comes back, and on demand; and it answers the other leaders. Rounds go over one stretch of slots after the other, so
 * that what was done stays done when a round ends early.
 */
import { type HashSeed, SLOT_COUNT, timestampAt, timestampMs } from '../../../native-free-lsm/index.ts';
import type { Clock, Random, TimerHandle } from '../../clock.ts';
import { errorMessage, QuorateError } from '../../errors.ts';
import { LimitedLog } from '../../limited-log.ts';
import type { Log } from '../../log.ts';
import type { ReplySink } from '../../reply.ts';
import type { ByteThrottle } from '../byte-throttle.ts';
import type { OwnRecords } from '../own-records.ts';
import type { Replica } from '../replica.ts';
import type { SlotOwners } from '../slot-owners.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { GROUP_SLOTS } from './digest-tree.ts';
import { encodePart, encodeRequest, RoundMessage, type RoundRequest } from './messages.ts';
import { OpenSlots } from './open-slots.ts';
import { PromiseKeeper } from './promise-keeper.ts';
import { PromiseRestoring } from './promise-restoring.ts';
import { PurgeRest } from './purge-rest.ts';
import { Repairs } from './repairs.ts';
import { RoundLeader, type RoundPace } from './round-leader.ts';
import { type OwnerLink, RoundLink } from './round-link.ts';
import { RoundOwner, type RoundOwnerOptions } from './round-owner.ts';
import { RoundRecords } from './round-records.ts';
import { RoundSchedule, type Stretch } from './round-schedule.ts';
import { RoundTally } from './round-tally.ts';
import { SettledWrites } from './settled-writes.ts';
import { SlotPromises } from './slot-promises.ts';

/** Peers that come back at the same time are met by one round. */
const RECONNECT_DELAY_MS = 200;
/**
 * When slots could not be settled though all owners were there, as for a late write, they are tried again; when that is
 * in vain again and again, as for a record that an owner has no room for, more and more rarely.
 */
const RETRY_DELAY_MS = 15_000;
const MAX_RETRY_DELAY_MS = 120_000;
const LOG_PERIOD_MS = 60_000;
const REQUEST_TIMEOUT_MS = 5_000;
const COPYING = 'it copies what its data folder lacks, and takes part in rounds afterwards';
const MAX_ANSWER_BYTES = 256 * 1024;
/** A message may be this much longer than the largest value (src/rpc/codec.ts), less what else an answer holds. */
const ANSWER_BYTES_BESIDE_VALUE = 5_632;
/** A round settles up to so many request time-outs ago, and an owner takes part up to so many. */
const LEADER_TIMEOUTS = 3;
const OWNER_TIMEOUTS = 2;
/** Numbers of rounds are drawn, so that one of an earlier process is none of this one's. */
const MAX_ROUND = 2 ** 48;

interface AntiEntropySettings {
  /** 0: no rounds but those on demand. */
  readonly antiEntropyIntervalMs: number;
  readonly requestTimeoutMs: number;
  readonly maxClockDriftMs: number;
  readonly maxValueBytes: number;
}

interface AntiEntropyOptions {
  readonly nodeId: string;
  readonly settings: AntiEntropySettings;
  readonly owners: () => SlotOwners;
  readonly engine: StorageEngine;
  readonly fingerprintSeed: HashSeed;
  readonly replica: () => Pick<Replica, 'writeOfRound' | 'whenWritten'>;
  readonly records: Pick<OwnRecords, 'get' | 'put'>;
  /** For each slot what is settled, for the engine's threads to read. */
  readonly watermarks: SharedArrayBuffer;
  /** What must be as it was, for what was settled before to count. */
  readonly basis: readonly string[];
  readonly wholeness: { readonly isWhole: boolean };
  /** Whether entries are on their way to this node's folder that no round may settle: it takes part in none meanwhile. */
  readonly isCopying: () => boolean;
  /** In ms since the Unix epoch; 0: not known. */
  readonly ownTimeMs: () => number;
  readonly link: OwnerLink;
  readonly pace: RoundPace;
  /** Of what comes to this node. */
  readonly throttle: ByteThrottle;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** These slots have just been settled. */
  readonly onSettled: (slots: Uint16Array, timestamp: number) => void;
}

export class AntiEntropy {
  /** What the replica asks before it stores an old write. */
  readonly writes: SettledWrites;
  readonly #options: AntiEntropyOptions;
  readonly #promises: SlotPromises;
  readonly #keeper: PromiseKeeper;
  readonly #restoring: PromiseRestoring;
  readonly #ownerOptions: RoundOwnerOptions;
  readonly #owner: RoundOwner;
  readonly #link: RoundLink;
  readonly #schedule = new RoundSchedule();
  readonly #open = new OpenSlots();
  /** Stretches that somebody waits for. */
  readonly #demanded = new WeakSet<Stretch>();
  readonly #repairs: Repairs;
  readonly #purge: PurgeRest;
  readonly #stop = new AbortController();
  readonly #log: LimitedLog<'round'>;
  readonly #tally = new RoundTally();
  #interval: TimerHandle | null = null;
  #wake: TimerHandle | null = null;
  #wakeAtMs = 0;
  #running: Promise<void> | null = null;
  #obstacle: string | null = null;
  #isUnsettled = false;
  #retryDelayMs = RETRY_DELAY_MS;

  constructor(options: AntiEntropyOptions) {
    const { basis, clock, log, nodeId, records, watermarks } = options;
    this.#options = options;
    this.#log = new LimitedLog(log, clock, LOG_PERIOD_MS);
    this.#promises = new SlotPromises(new Float64Array(watermarks));
    this.writes = new SettledWrites(this.#promises);
    this.#keeper = new PromiseKeeper(records, options.engine, this.#promises, basis);
    this.#link = new RoundLink({
      nodeId,
      link: options.link,
      answer: (request, timeoutMs) => this.#answer(request, timeoutMs),
    });
    this.#restoring = new PromiseRestoring({
      keeper: this.#keeper,
      engine: options.engine,
      // Own time does not go back by more than two drifts: that of this process, and that of the nodes it was measured by.
      latestPromise: () => this.#timestampBefore(0, -2),
      clock,
      log,
      signal: this.#stop.signal,
    });
    this.#purge = new PurgeRest(clock, () => options.engine.purge());
    this.#ownerOptions = this.#makeOwnerOptions();
    this.#owner = new RoundOwner(this.#ownerOptions);
    this.#repairs = new Repairs({
      nodeId,
      peers: this.#link,
      clock,
      schedule: (first, last) => {
        this.#wakeIn(0);
        return this.#demand(this.#schedule.add(first, last));
      },
    });
  }

  /**
   * Reads what this node has promised. Before this it takes no writes.
   * @throws QuorateError
   */
  async load(): Promise<void> {
    const { isWhole } = this.#options.wholeness;
    await this.#restoring.load(isWhole);
    this.#isUnsettled = !isWhole;
  }

  /** Begins its schedule. */
  start(): void {
    const { clock, settings } = this.#options;
    if (settings.antiEntropyIntervalMs === 0) return;
    this.#interval = clock.every(settings.antiEntropyIntervalMs, () => {
      this.#schedule.addAll();
      this.#wakeIn(0);
    });
  }

  /** A node has come, or has come back: it may lack what was written while it was away. */
  onPeerUp(): void {
    if (this.#options.settings.antiEntropyIntervalMs > 0) this.#allDue(RECONNECT_DELAY_MS);
  }

  /**
   * Compares and settles slots now, on all nodes.
   * @returns the repair's number; `figures` says how far it has come
   */
  repair(first: number, last: number): number {
    const { nodeId, owners } = this.#options;
    return this.#repairs.begin(
      first,
      last,
      owners().nodeIds.filter((id) => id !== nodeId),
    );
  }

  /** Has all nodes go through all slots soon: this node can take part again. */
  requestRounds(): void {
    const { nodeId, owners } = this.#options;
    this.#allDue(0);
    const body = encodeRequest({ kind: RoundMessage.start, first: 0, last: SLOT_COUNT - 1 });
    for (const id of owners().nodeIds) {
      // A node that does not answer goes through its slots when it is back.
      if (id !== nodeId) this.#link.ask(id, body, REQUEST_TIMEOUT_MS).catch(() => undefined);
    }
  }

  /** How long it is until a round can settle up to the timestamp. */
  msUntilSettleable(timestamp: number): number {
    return Math.max(timestampMs(timestamp) - timestampMs(this.#timestampBefore(LEADER_TIMEOUTS, 2)), 0);
  }

  /** Answers a peer's request. The body is a view: it is read before this returns. */
  serve(body: Uint8Array, timeoutMs: number, sink: ReplySink, token: number): void {
    this.#link.serve(body, timeoutMs, sink, token);
  }

  figures(): Record<string, unknown> {
    const { clock, ownTimeMs, settings } = this.#options;
    const { changes } = this.#owner;
    const { allDoneSinceMs, keysSent, slotsDiffering, stretches, watermark } = this.#tally;
    const { receivedBytes, sentBytes } = this.#link;
    const isOn = settings.antiEntropyIntervalMs > 0;
    return {
      state: this.#running !== null ? 'running' : isOn ? 'idle' : 'off',
      stretchesLeft: this.#schedule.count + (this.#running === null ? 0 : 1),
      lastFullRoundAgeMs: allDoneSinceMs === null ? null : Math.round(clock.monotonicMs() - allDoneSinceMs),
      watermarkAgeMs: watermark > 0 ? Math.max(Math.round(ownTimeMs() - timestampMs(watermark)), 0) : null,
      obstacle: this.#obstacle,
      stretches,
      slotsDiffering,
      keysSent,
      sentBytes,
      receivedBytes,
      keysReceived: changes.keysReceived,
      keysBuried: changes.keysBuried,
      writesRefused: this.writes.refused,
      closesBroken: this.#promises.brokenCloses,
      promisesLost: this.#restoring.groupsLost * GROUP_SLOTS,
      repair: this.#repairs.latest,
    };
  }

  /** Ends what is under way; resolves when nothing of it uses the engine any more. */
  async close(): Promise<void> {
    const stopping = new QuorateError('DRAINING', 'the node is stopping');
    this.#stop.abort(stopping);
    this.#interval?.cancel();
    this.#wake?.cancel();
    this.#purge.stop();
    this.#repairs.close();
    this.#link.close(stopping);
    await this.#running;
  }

  #makeOwnerOptions(): RoundOwnerOptions {
    const { clock, engine, fingerprintSeed, nodeId, onSettled, owners, replica, settings, throttle } =
      this.#options;
    const settledAt = (slot: number): number => this.#settledAt(slot);
    return {
      nodeId,
      owners,
      engine,
      fingerprintSeed,
      promises: this.#promises,
      keeper: this.#keeper,
      records: new RoundRecords({
        replica: { writeOfRound: (...write) => replica().writeOfRound(...write) },
        engine,
        fingerprintSeed,
        settledAt,
        positionIn: (slot) => owners().positionOf(slot, owners().nodeIds.indexOf(nodeId)),
      }),
      peers: this.#link,
      throttle,
      clock,
      whenWritten: () => replica().whenWritten(),
      latestSettleable: () => this.#timestampBefore(OWNER_TIMEOUTS, 1),
      settledAt,
      maxAnswerBytes: Math.min(MAX_ANSWER_BYTES, settings.maxValueBytes + ANSWER_BYTES_BESIDE_VALUE),
      onSettled: (slots, timestamp) => {
        this.#purge.settled();
        onSettled(slots, timestamp);
      },
    };
  }

  /** 0 while this node's data is not whole: then it does not know what it would have. */
  #settledAt(slot: number): number {
    return this.#options.wholeness.isWhole ? this.#promises.settledAt(slot) : 0;
  }

  /** The timestamp of so many request time-outs and drifts ago; 0 while the time is not known. */
  #timestampBefore(timeouts: number, drifts: number): number {
    const { ownTimeMs, settings } = this.#options;
    const nowMs = ownTimeMs();
    if (nowMs === 0) return 0;
    const agoMs = timeouts * settings.requestTimeoutMs + drifts * settings.maxClockDriftMs;
    return Math.max(timestampAt(nowMs - agoMs), 0);
  }

  #allDue(delayMs: number): void {
    this.#demand(this.#schedule.addAll());
    this.#wakeIn(delayMs);
  }

  #demand(stretches: readonly Stretch[]): readonly Stretch[] {
    for (const stretch of stretches) this.#demanded.add(stretch);
    return stretches;
  }

  #wakeIn(delayMs: number): void {
    if (this.#stop.signal.aborted) return;
    const { clock } = this.#options;
    const atMs = clock.monotonicMs() + delayMs;
    // A peer that comes and goes must not put off for ever what is to begin sooner.
    if (this.#wake !== null && this.#wakeAtMs <= atMs) return;
    this.#wake?.cancel();
    this.#wakeAtMs = atMs;
    this.#wake = clock.after(delayMs, () => {
      this.#wake = null;
      this.#running ??= this.#work().finally(() => {
        this.#running = null;
      });
    });
  }

  /** Goes through what is due. It never rejects: what goes wrong is an obstacle. */
  async #work(): Promise<void> {
    const { signal } = this.#stop;
    let mayRetry = false;
    for (let next = this.#schedule.next(); next !== undefined; next = this.#schedule.next()) {
      let obstacle: string | null;
      try {
        if (this.#options.isCopying()) throw new QuorateError('DRAINING', COPYING);
        await this.#prepare();
        const leader = this.#leaderOf(next);
        const result = await leader.run();
        this.#tally.note(next, result, this.#options.clock.monotonicMs());
        ({ obstacle } = result);
        mayRetry ||= obstacle !== null && !result.isOwnerAway;
      } catch (error) {
        obstacle = errorMessage(error);
        mayRetry = true;
      }
      if (signal.aborted) return;
      this.#obstacle = obstacle;
      if (obstacle !== null && mayRetry)
        this.#log.warn('round', `Slots ${next.first} to ${next.last} are not all settled: ${obstacle}`);
      this.#repairs.onRound(next, obstacle);
    }
    if (!mayRetry) this.#retryDelayMs = RETRY_DELAY_MS;
    else if (this.#options.settings.antiEntropyIntervalMs > 0) {
      this.#allDue(this.#retryDelayMs);
      this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, MAX_RETRY_DELAY_MS);
    }
  }

  #leaderOf(stretch: Stretch): RoundLeader {
    const { first, last } = stretch;
    const { pace, random } = this.#options;
    const options = {
      ...this.#ownerOptions,
      owner: this.#owner,
      isUp: (id: string) => this.#link.isUp(id),
      pace,
      open: this.#open,
      isDemanded: this.#demanded.has(stretch),
      latestNow: () => this.#timestampBefore(0, -1),
      drawRound: () => 1 + Math.floor(random() * MAX_ROUND),
      settleableNow: () => this.#timestampBefore(LEADER_TIMEOUTS, 2),
    };
    return new RoundLeader(options, first, last, this.#stop.signal);
  }

  /** What was found missing or damaged after the start is heeded, too. */
  async #prepare(): Promise<void> {
    await this.#restoring.look();
    if (this.#options.wholeness.isWhole) this.#isUnsettled = false;
    else if (!this.#isUnsettled) {
      await this.#keeper.unsettle();
      this.#isUnsettled = true;
    }
  }

  async #answer(request: RoundRequest, timeoutMs: number): Promise<Uint8Array> {
    this.#stop.signal.throwIfAborted();
    if (request.kind === RoundMessage.start)
      return encodePart(this.#repairs.beginPart(request.first, request.last));
    if (request.kind === RoundMessage.progress) return encodePart(this.#repairs.progressOf(request.repair));
    if (this.#options.isCopying()) throw new QuorateError('DRAINING', COPYING);
    await this.#prepare();
    return this.#owner.serve(request, timeoutMs, this.#stop.signal);
  }
}
