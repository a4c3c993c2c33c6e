/**
 * What a node does as an owner of slots in the rounds of all leaders, its own included: it keeps its promises, tells
 * what it holds, and gets what it lacks. DESIGN.md says what a round is, and why it proves what it proves.
 */
import { type HashSeed, recordTimestamp, slotOf } from '../../../native-free-lsm/index.ts';
import type { Clock } from '../../clock.ts';
import { QuorateError } from '../../errors.ts';
import type { ByteThrottle } from '../byte-throttle.ts';
import type { SlotOwners } from '../slot-owners.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { addStrays, differing, foldGroups, foldRoot } from './digest-tree.ts';
import { HeldRecords } from './held-records.ts';
import { HeldVersions } from './held-versions.ts';
import {
  DONE,
  decodeRecords,
  encodeFetchResult,
  encodeRecords,
  encodeRequest,
  type FetchResult,
  type KeyAndRecord,
  RoundMessage,
  type RoundPoint,
  type RoundRequest,
  type RoundScope,
} from './messages.ts';
import { encodeSlots, encodeWords, type SlotFingerprint } from './packed-lists.ts';
import type { PromiseKeeper } from './promise-keeper.ts';
import { type RoundRecords, StoreOutcome } from './round-records.ts';
import type { SlotPromises } from './slot-promises.ts';
import { chosenOf, type SlotShare, shareOf, withinGroups, without } from './slot-share.ts';
import { encodeTold } from './told-ranges.ts';

/** A few leaders go through their slots at the same time, and again at the next time. 25 KiB each. */
const KEPT_SHARES = 64;

/** Asks another owner, or this node itself. */
export interface RoundPeers {
  /** @throws QuorateError PEER when there is no answer that counts */
  ask(nodeId: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
}

export interface RoundOwnerOptions {
  readonly nodeId: string;
  readonly owners: () => SlotOwners;
  readonly engine: Pick<
    StorageEngine,
    'giveUpPurged' | 'lookForLost' | 'losses' | 'lostTo' | 'slotDigests' | 'slotVersions' | 'slotRecords'
  >;
  readonly fingerprintSeed: HashSeed;
  readonly promises: SlotPromises;
  readonly keeper: PromiseKeeper;
  readonly records: RoundRecords;
  readonly peers: RoundPeers;
  readonly throttle: ByteThrottle;
  readonly clock: Clock;
  /** Resolves when all writes that the replica has taken so far are visible. */
  readonly whenWritten: () => Promise<void>;
  /** The latest timestamp that a round may settle: no request of a client with it can be under way. */
  readonly latestSettleable: () => number;
  readonly settledAt: (slot: number) => number;
  /** The most bytes of records in one answer. */
  readonly maxAnswerBytes: number;
  /** These slots have just been settled. */
  readonly onSettled: (slots: Uint16Array, timestamp: number) => void;
}

/** What rounds have changed here since the start. */
class RoundChanges {
  /** Records that were stored here. */
  keysReceived = 0;
  /** Values that were settled to be gone, and have been hidden for good. */
  keysBuried = 0;
}

export class RoundOwner {
  readonly changes = new RoundChanges();
  readonly #options: RoundOwnerOptions;
  readonly #versions: HeldVersions;
  readonly #records: HeldRecords;
  /** By leader, its last round, and how often this node had lost something when it was closed. */
  readonly #lossesAtClose = new Map<string, { readonly round: number; readonly losses: number }>();
  readonly #shares = new Map<string, { readonly owners: SlotOwners; readonly share: SlotShare }>();

  constructor(options: RoundOwnerOptions) {
    this.#options = options;
    this.#versions = new HeldVersions(options);
    this.#records = new HeldRecords(options);
  }

  /**
   * Answers one request of a round.
   * @throws QuorateError PROTOCOL: the request is none; otherwise why it cannot be answered
   */
  serve(request: RoundRequest, timeoutMs: number, signal: AbortSignal): Promise<Uint8Array> {
    switch (request.kind) {
      case RoundMessage.close:
        return this.#close(request);
      case RoundMessage.compare:
        return this.#compare(request, request.root, signal);
      case RoundMessage.leaves:
        return this.#leaves(request, request.groups, signal);
      case RoundMessage.versions:
        return this.#versions.tell(request.round, request.ranges, request.maxBytes, signal).then(encodeTold);
      case RoundMessage.records:
        return this.#records
          .find(request.wanted, request.maxBytes, signal)
          .then(({ left, records }) => encodeRecords(records, left));
      case RoundMessage.fetch:
        return this.fetch(request.leader, request.wanted, timeoutMs / 2, false, signal).then(
          encodeFetchResult,
        );
      case RoundMessage.bar:
        return this.#bar(request, request.excluded, signal);
      case RoundMessage.settle:
        return this.#settle(request, request.excluded);
      default:
        return Promise.reject(new QuorateError('PROTOCOL', `a round message of kind ${request.kind}`));
    }
  }

  /** The digests of what this node holds for both owners, itself and the one in these positions: the leader's leaves. */
  sharedDigests({ slots, positions }: SlotShare, signal: AbortSignal): Promise<Uint32Array> {
    // An owner's `from` is larger than its position.
    const minFroms = positions.map((position) => position + 1);
    return this.#options.engine.slotDigests(slots, minFroms, signal);
  }

  /**
   * Gets records from another node and stores them.
   * @param forMs when it has taken so long, or would have to wait longer for what the rate allows, the rest is left
   * @param buries whether versions that are settled to be gone are buried here, and with that at the others later; if
   *   not, they are named in the result
   */
  async fetch(
    nodeId: string,
    wanted: readonly SlotFingerprint[],
    forMs: number,
    buries: boolean,
    signal: AbortSignal,
  ): Promise<FetchResult> {
    const { clock, maxAnswerBytes, peers, throttle } = this.#options;
    const untilMs = clock.monotonicMs() + forMs;
    const result = { stored: 0, bytes: 0, failed: 0 };
    const dead: SlotFingerprint[] = [];
    let left = wanted;
    do {
      const { waitMs } = throttle;
      if (clock.monotonicMs() + waitMs > untilMs) return { ...result, dead, left, waitMs: Math.ceil(waitMs) };
      await throttle.wait(signal);
      const request = { kind: RoundMessage.records, maxBytes: maxAnswerBytes, wanted: left };
      const answer = await peers.ask(nodeId, encodeRequest(request), forMs);
      throttle.take(answer.length);
      const told = decodeRecords(answer);
      result.bytes += answer.length;
      for (const { outcome, slotFingerprint } of await this.#storeAll(told.records, buries)) {
        if (outcome === StoreOutcome.stored) {
          result.stored++;
          this.changes.keysReceived++;
        } else if (outcome === StoreOutcome.failed) result.failed++;
        else if (outcome === StoreOutcome.dead) dead.push(slotFingerprint);
      }
      left = told.left;
    } while (left.length > 0 && clock.monotonicMs() < untilMs);
    return { ...result, dead, left, waitMs: 0 };
  }

  /**
   * Hides what this node has of versions that another owner has settled to be gone.
   * @param settledAt up to which timestamp the other has settled the slot
   */
  async bury(
    dead: readonly SlotFingerprint[],
    settledAt: (slot: number) => number,
    signal: AbortSignal,
  ): Promise<void> {
    const { records } = await this.#records.find(dead, Number.POSITIVE_INFINITY, signal);
    const buried = await Promise.all(
      records
        .filter(({ key, record }) => recordTimestamp(record, 0) <= settledAt(slotOf(key)))
        .map(({ key, record }) => this.#options.records.bury(key, record)),
    );
    this.changes.keysBuried += buried.filter((outcome) => outcome === StoreOutcome.stored).length;
  }

  async #storeAll(
    told: readonly KeyAndRecord[],
    buries: boolean,
  ): Promise<{ readonly outcome: StoreOutcome; readonly slotFingerprint: SlotFingerprint }[]> {
    const { records } = this.#options;
    return Promise.all(
      told.map(async ({ key, record }) => {
        let outcome = await records.store(key, record);
        if (outcome === StoreOutcome.dead && buries) {
          outcome = await records.bury(key, record);
          if (outcome === StoreOutcome.stored) this.changes.keysBuried++;
        }
        return { outcome, slotFingerprint: this.#records.fingerprintOf(key) };
      }),
    );
  }

  async #close(request: RoundScope & RoundPoint): Promise<Uint8Array> {
    const { engine, latestSettleable, promises, whenWritten } = this.#options;
    const { round, timestamp } = request;
    if (timestamp > latestSettleable())
      throw new QuorateError('PROTOCOL', 'the round would settle what clients may still write');
    const { slots } = await this.shareOf(request);
    this.#lossesAtClose.set(request.leader, { round, losses: engine.losses ?? 0 });
    for (let index = 0; index < slots.length; index++) promises.close(slots[index], round, timestamp);
    // What was taken before belongs to what this node holds, and is counted by what it tells from now on.
    await whenWritten();
    return DONE;
  }

  async #compare(scope: RoundScope, root: Uint32Array, signal: AbortSignal): Promise<Uint8Array> {
    const share = await this.shareOf(scope);
    const groups = foldGroups(share.slots, await this.#leavesOf(share, signal));
    return differing(foldRoot(groups), root).length === 0 ? DONE : encodeWords(groups);
  }

  async #leaves(scope: RoundScope, groups: Uint16Array, signal: AbortSignal): Promise<Uint8Array> {
    const share = await this.shareOf(scope);
    return encodeWords(await this.#leavesOf(withinGroups(share, groups), signal));
  }

  /**
   * Answers with the slots that it does not bar: besides those whose close is broken, slots of which its disk has lost
   * something that no round has settled, and no other owner could bring. Nobody knows what that was.
   */
  async #bar(
    request: RoundScope & RoundPoint,
    excluded: Uint16Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { keeper, promises } = this.#options;
    const { round, timestamp } = request;
    const asked = without((await this.shareOf(request)).slots, excluded);
    const atClose = this.#lossesAtClose.get(request.leader);
    // The others were not asked for what has been lost since.
    if (atClose?.round === round && atClose.losses === (this.#options.engine.losses ?? 0))
      this.#options.engine.giveUpPurged?.(asked);
    const lacking = await this.#lackingOf(asked, signal);
    const closed = chosenOf(without(asked, lacking), (slot) => promises.isClosed(slot, round, timestamp));
    await keeper.bar(closed, timestamp);
    return encodeSlots(without(asked, closed));
  }

  /** Slots of which something is lost that was not settled. All owners have been compared, and what they have was brought. */
  async #lackingOf(slots: Uint16Array, signal: AbortSignal): Promise<Uint16Array> {
    const { engine, settledAt } = this.#options;
    const isLacking = (slot: number): boolean => (engine.lostTo?.(slot) ?? 0) > settledAt(slot);
    const before = chosenOf(slots, isLacking);
    if (before.length === 0) return before;
    await engine.lookForLost?.(before, signal);
    return chosenOf(before, isLacking);
  }

  /** Answers with the slots that it does not settle. */
  async #settle(request: RoundScope & RoundPoint, excluded: Uint16Array): Promise<Uint8Array> {
    const { keeper, onSettled, promises } = this.#options;
    const { round, timestamp } = request;
    const asked = without((await this.shareOf(request)).slots, excluded);
    const barred = chosenOf(
      asked,
      (slot) => promises.isClosed(slot, round, timestamp) && promises.barredAt(slot) >= timestamp,
    );
    await keeper.settle(barred, timestamp);
    onSettled(barred, timestamp);
    return encodeSlots(without(asked, barred));
  }

  /** The leaves of the owner that stands behind, this node. */
  async #leavesOf(share: SlotShare, signal: AbortSignal): Promise<Uint32Array> {
    const shared = await this.sharedDigests(share, signal);
    const anyFrom = new Uint8Array(share.slots.length).fill(1);
    return addStrays(shared, await this.#options.engine.slotDigests(share.slots, anyFrom, signal));
  }

  /** A node's slots of a round, this one's unless told otherwise. They are asked for with each message of each round. */
  async shareOf(scope: RoundScope, nodeId = this.#options.nodeId): Promise<SlotShare> {
    const { clock, owners } = this.#options;
    const current = owners();
    const name = JSON.stringify([nodeId, scope.leader, scope.first, scope.last, scope.skipped]);
    const kept = this.#shares.get(name);
    if (kept !== undefined && kept.owners === current) return kept.share;
    const share = await shareOf(current, scope, nodeId, () => nextTurn(clock));
    this.#shares.set(name, { owners: current, share });
    if (this.#shares.size > KEPT_SHARES) this.#shares.delete(this.#shares.keys().next().value!);
    return share;
  }
}

function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.endOfTurn(resolve));
}
