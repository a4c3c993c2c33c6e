/**
 * One round over a stretch of slots, as the node runs it that leads them: close, compare, exchange, settle. DESIGN.md
 * says why this order proves that nothing older is left anywhere.
 *
 * While an owner is away the others are compared all the same, led by the first of them that is there; but nothing is
 * settled then. Whatever fails, fails for the slots that it concerns: they are not settled, and the next round takes
 * them again.
 */
import { SlotSet } from '../../../native-free-lsm/index.ts';
import { differing, foldGroups, foldRoot, GROUP_COUNT } from './digest-tree.ts';
import { encodeRequest, RoundMessage, type RoundPoint, type RoundScope } from './messages.ts';
import type { OpenSlots } from './open-slots.ts';
import type { OtherOwner } from './other-owner.ts';
import { decodeSlots, decodeWords } from './packed-lists.ts';
import { RoundExchange } from './round-exchange.ts';
import { RoundFaults } from './round-faults.ts';
import type { RoundOwner, RoundOwnerOptions } from './round-owner.ts';
import { SlotBatch } from './slot-batch.ts';
import type { SlotShare } from './slot-share.ts';
import { chosenOf, withinGroups, without } from './slot-share.ts';

/** Groups whose leaves are asked for at a time: 16 KiB of them. */
const GROUPS_AT_A_TIME = 8;
/** Digests may have to be made from all that a node holds. */
const ANSWER_TIMEOUT_MS = 60_000;

export interface RoundResult {
  /** Slots that this node led. */
  readonly slots: number;
  /** Slots in which owners held different versions. */
  readonly differing: number;
  /** Slots that are settled now. */
  readonly settled: number;
  /** Records that another owner got from this one. */
  readonly keysSent: number;
  /** The lowest timestamp up to which one of the slots is settled; infinite: there are none. */
  readonly oldestSettled: number;
  /** Why slots could not be settled; null: all are. */
  readonly obstacle: string | null;
  /** Whether an owner was not there, or has gone. */
  readonly isOwnerAway: boolean;
  /** Whether an owner that is there did not answer as it should: what it has met may be over soon. */
  readonly isOwnerLost: boolean;
}

/** How much of the machine rounds may take. */
export interface RoundPace {
  /** Work begins after a time without any. */
  begin(): void;
  /** A piece is done: resolves when the next one may begin. */
  rest(signal: AbortSignal): Promise<void>;
}

interface LeaderOptions extends Omit<RoundOwnerOptions, 'onSettled'> {
  readonly owner: RoundOwner;
  /** Whether the node can be asked now. */
  readonly isUp: (nodeId: string) => boolean;
  readonly pace: RoundPace;
  readonly drawRound: () => number;
  /** The timestamp up to which a round that begins now settles. */
  readonly settleableNow: () => number;
  /** A timestamp that no version can have yet. */
  readonly latestNow: () => number;
  readonly open: OpenSlots;
  /** Somebody waits for this round: it settles also what it has settled before, in case an owner does not know of it. */
  readonly isDemanded: boolean;
}

export class RoundLeader {
  readonly #options: LeaderOptions;
  readonly #signal: AbortSignal;
  readonly #scope: RoundScope;
  readonly #point: RoundPoint;
  readonly #faults: RoundFaults;
  readonly #others: OtherOwner[] = [];
  readonly #exchange: RoundExchange;
  #own: SlotShare = { slots: new Uint16Array(0), positions: new Uint8Array(0) };

  constructor(options: LeaderOptions, first: number, last: number, signal: AbortSignal) {
    const { drawRound, isUp, nodeId, settleableNow } = options;
    // A round goes on with the owners with which it began.
    const owners = options.owners();
    this.#options = { ...options, owners: () => owners };
    this.#signal = signal;
    const skipped = owners.nodeIds.filter((id) => id !== nodeId && !isUp(id));
    this.#scope = { leader: nodeId, first, last, skipped };
    this.#point = { round: drawRound(), timestamp: Math.max(settleableNow(), 0) };
    this.#faults = new RoundFaults(signal);
    this.#exchange = new RoundExchange(
      {
        ...this.#options,
        faults: this.#faults,
        others: this.#others,
        round: this.#point.round,
        answerTimeoutMs: ANSWER_TIMEOUT_MS,
      },
      signal,
    );
    if (skipped.length > 0) this.#faults.note(`node ${skipped[0]} is away`);
  }

  /** @throws the signal's reason, or why this node itself cannot go on */
  async run(): Promise<RoundResult> {
    this.#options.pace.begin();
    await this.#findOwners();
    if (this.#own.slots.length > 0) {
      await this.#look();
      await this.#close();
      for (const other of this.#others) {
        await this.#faults.tryWith(other, () => this.#compare(other));
        await this.#options.pace.rest(this.#signal);
      }
      await this.#exchangeAll();
    }
    const settled = await this.#settle();
    await this.#options.pace.rest(this.#signal);
    return {
      slots: this.#own.slots.length,
      differing: new Set(this.#others.flatMap(({ differing: found }) => [...found])).size,
      settled,
      keysSent: this.#exchange.keysSent,
      oldestSettled: this.#own.slots.reduce(
        (oldest, slot) =>
          this.#isOpen(slot) ? Math.min(oldest, this.#options.promises.settledAt(slot)) : oldest,
        this.#point.timestamp,
      ),
      obstacle: this.#faults.obstacle,
      isOwnerAway:
        this.#scope.skipped.length > 0 ||
        this.#others.some(({ isLost, nodeId }) => isLost && !this.#options.isUp(nodeId)),
      isOwnerLost: this.#others.some(({ isLost, nodeId }) => isLost && this.#options.isUp(nodeId)),
    };
  }

  /** Finds out which slots have changed. */
  async #look(): Promise<void> {
    const { engine, latestNow, open } = this.#options;
    const { slots } = this.#own;
    const latest = latestNow();
    // While the time is not known nothing is settled either.
    if (latest <= 0) return;
    const anyFrom = new Uint8Array(slots.length).fill(1);
    open.look(slots, await engine.slotDigests(slots, anyFrom, this.#signal), latest);
  }

  #isOpen(slot: number): boolean {
    const { open, promises } = this.#options;
    return open.isOpen(slot, promises.settledAt(slot));
  }

  async #findOwners(): Promise<void> {
    const { nodeId, owner, owners } = this.#options;
    this.#own = await owner.shareOf(this.#scope);
    for (const id of owners().nodeIds) {
      if (id === nodeId || this.#scope.skipped.includes(id)) continue;
      const share = await owner.shareOf(this.#scope, id);
      if (share.slots.length === 0) continue;
      this.#others.push({
        nodeId: id,
        share,
        differing: new Set(),
        isClosed: false,
        isLost: false,
      });
    }
  }

  async #close(): Promise<void> {
    const { nodeId, peers } = this.#options;
    const body = encodeRequest({ kind: RoundMessage.close, ...this.#scope, ...this.#point });
    await peers.ask(nodeId, body, ANSWER_TIMEOUT_MS);
    await Promise.all(
      this.#others.map(async (other) => {
        try {
          await peers.ask(other.nodeId, body, ANSWER_TIMEOUT_MS);
          other.isClosed = true;
        } catch (error) {
          // It may be compared all the same.
          this.#faults.noteFailed(other.nodeId, error);
        }
      }),
    );
  }

  /** Finds the slots in which the other owner does not hold the same: three questions at most. */
  async #compare(other: OtherOwner): Promise<void> {
    const { nodeId, share } = other;
    const { owner, peers } = this.#options;
    const scope = this.#scope;
    const own = await owner.sharedDigests(share, this.#signal);
    const ownGroups = foldGroups(share.slots, own);
    const compare = { kind: RoundMessage.compare, ...scope, root: foldRoot(ownGroups) };
    const answer = await peers.ask(nodeId, encodeRequest(compare), ANSWER_TIMEOUT_MS);
    if (answer.length === 0) return;
    const groups = differing(ownGroups, decodeWords(answer)).filter((group) => group < GROUP_COUNT);
    for (let at = 0; at < groups.length; at += GROUPS_AT_A_TIME) {
      const asked = Uint16Array.from(groups.slice(at, at + GROUPS_AT_A_TIME));
      const ask = { kind: RoundMessage.leaves, ...scope, groups: asked };
      const leaves = decodeWords(await peers.ask(nodeId, encodeRequest(ask), ANSWER_TIMEOUT_MS));
      const within = withinGroups(share, asked);
      const ownLeaves = await owner.sharedDigests(within, this.#signal);
      for (const index of differing(ownLeaves, leaves)) other.differing.add(within.slots[index]);
    }
  }

  async #exchangeAll(): Promise<void> {
    const found = new Set(this.#others.flatMap((other) => [...other.differing]));
    const slots = [...found].sort((a, b) => a - b);
    const batch = new SlotBatch();
    for (let at = 0; at < slots.length; ) {
      const part = slots.slice(at, at + batch.slots);
      at += part.length;
      batch.note(part.length, await this.#exchange.run(part));
      await this.#options.pace.rest(this.#signal);
    }
  }

  /** @returns how many slots are settled */
  async #settle(): Promise<number> {
    const { isDemanded } = this.#options;
    if (this.#point.timestamp <= 0) return 0;
    const away = new Set(this.#scope.skipped);
    for (const { isClosed, isLost, nodeId } of this.#others) if (isLost || !isClosed) away.add(nodeId);
    const current = this.#options.owners();
    const isAway = current.marked(away);
    const { positions, slots } = this.#own;
    const clean = chosenOf(
      slots,
      (slot, index) =>
        positions[index] === 0 &&
        !this.#faults.isUnclean(slot) &&
        (isDemanded || this.#isOpen(slot)) &&
        !current.hasOwnerOf(slot, isAway),
    );
    const barred = await this.#askAll(RoundMessage.bar, clean);
    if (barred.length < clean.length)
      this.#faults.note(
        'a late write came while its slot was compared, or an owner has lost a record by damage that no other has',
      );
    return (await this.#askAll(RoundMessage.settle, barred)).length;
  }

  /** Asks all owners for a promise, and returns the slots for which all of them have given it. */
  async #askAll(
    kind: typeof RoundMessage.bar | typeof RoundMessage.settle,
    slots: Uint16Array,
  ): Promise<Uint16Array> {
    if (slots.length === 0) return slots;
    const { nodeId, owners, peers } = this.#options;
    const body = encodeRequest({
      kind,
      ...this.#scope,
      ...this.#point,
      excluded: without(this.#own.slots, slots),
    });
    const { first, last } = this.#scope;
    const given = new Uint8Array(last - first + 1);
    const ask = async (id: string, own: Uint16Array): Promise<void> => {
      const refused = new SlotSet();
      for (const slot of decodeSlots(await peers.ask(id, body, ANSWER_TIMEOUT_MS))) refused.add(slot);
      for (let index = 0; index < own.length; index++)
        if (!refused.has(own[index])) given[own[index] - first]++;
    };
    await Promise.all([
      ask(nodeId, this.#own.slots),
      ...this.#others.map((other) => this.#faults.tryWith(other, () => ask(other.nodeId, other.share.slots))),
    ]);
    const { count } = owners();
    return chosenOf(slots, (slot) => given[slot - first] === count);
  }
}
