/**
 * One round over a stretch of slots, as the node runs it that leads them: close, compare, exchange, settle. DESIGN.md
 * says why this order proves that nothing older is left anywhere.
 *
 * While an owner is away the others are compared all the same, led by the first of them that is there; but nothing is
 * settled then. Whatever fails, fails for the slots that it concerns: they are not settled, and the next round takes
 * them again.
 */
import { SLOT_COUNT, type SlotVersions } from '../../../native-free-lsm/index.ts';
import { errorMessage } from '../../errors.ts';
import { pause } from '../pause.ts';
import { differing, foldGroups, foldRoot, GROUP_COUNT } from './digest-tree.ts';
import { type OwnerList, planExchange } from './exchange-plan.ts';
import {
  type AskedRange,
  decodeFetchResult,
  decodeSlots,
  decodeTold,
  decodeWords,
  encodeRequest,
  type FetchResult,
  RoundMessage,
  type RoundPoint,
  type RoundScope,
  type SlotFingerprint,
} from './messages.ts';
import type { OpenSlots } from './open-slots.ts';
import {
  entriesOf,
  type RoundOwner,
  type RoundOwnerOptions,
  versionsIn,
  withinGroups,
  without,
} from './round-owner.ts';
import { SlotBatch } from './slot-batch.ts';
import { positionOf, type SlotShare } from './slot-lists.ts';
import {
  childOf,
  FAN_OUT,
  foldChildren,
  MAX_DEPTH,
  type SlotRange,
  spanOf,
  type VersionEntry,
} from './version-list.ts';

/** Groups whose leaves are asked for at a time: 16 KiB of them. */
const GROUPS_AT_A_TIME = 8;
/** Ranges that are asked for at a time; more are answered in parts. */
const RANGES_AT_A_TIME = 256;
/** Records that are asked for at a time. */
const RECORDS_AT_A_TIME = 1024;
/** Digests may have to be made from all that a node holds. */
const ANSWER_TIMEOUT_MS = 60_000;
/** What was asked for so often in a row, and nothing of it came, is left for the next round. */
const MAX_FETCHES_IN_VAIN = 8;
/** An owner that has taken more than its rate allows is asked again when it allows more, or then. */
const MAX_FETCH_WAIT_MS = 600_000;

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

/** What another owner holds of one range. */
interface HeldRange {
  readonly range: SlotRange;
  readonly list: OwnerList;
}

/** What has been found out about one other owner in a round. */
interface OtherOwner {
  readonly nodeId: string;
  readonly share: SlotShare;
  /** Its position in each slot's list, by slot; -1: it is no owner, or not in this round. */
  readonly positions: Int8Array;
  /** Slots in which it differs from this node. */
  readonly differing: Set<number>;
  /** Whether it has closed the slots for this round. */
  isClosed: boolean;
  /** It did not answer: the round goes on without it. */
  isLost: boolean;
}

export class RoundLeader {
  readonly #options: LeaderOptions;
  readonly #signal: AbortSignal;
  readonly #scope: RoundScope;
  readonly #point: RoundPoint;
  /** Slots that cannot be settled in this round. */
  readonly #unclean = new Uint8Array(SLOT_COUNT);
  readonly #others: OtherOwner[] = [];
  #own: SlotShare = { slots: new Uint16Array(0), positions: new Uint8Array(0) };
  #keysSent = 0;
  #obstacle: string | null = null;

  constructor(options: LeaderOptions, first: number, last: number, signal: AbortSignal) {
    const { drawRound, isUp, nodeId, settleableNow } = options;
    // A round goes on with the owners with which it began.
    const owners = options.owners();
    this.#options = { ...options, owners: () => owners };
    this.#signal = signal;
    const skipped = owners.nodeIds.filter((id) => id !== nodeId && !isUp(id));
    this.#scope = { leader: nodeId, first, last, skipped };
    this.#point = { round: drawRound(), timestamp: Math.max(settleableNow(), 0) };
    if (skipped.length > 0) this.#obstacle = `node ${skipped[0]} is away`;
  }

  /** @throws the signal's reason, or why this node itself cannot go on */
  async run(): Promise<RoundResult> {
    this.#options.pace.begin();
    await this.#findOwners();
    if (this.#own.slots.length > 0) {
      await this.#look();
      await this.#close();
      for (const other of this.#others) {
        await this.#tryWith(other, () => this.#compare(other));
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
      keysSent: this.#keysSent,
      oldestSettled: this.#own.slots.reduce(
        (oldest, slot) =>
          this.#isOpen(slot) ? Math.min(oldest, this.#options.promises.settledAt(slot)) : oldest,
        this.#point.timestamp,
      ),
      obstacle: this.#obstacle,
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
      const positions = new Int8Array(SLOT_COUNT).fill(-1);
      for (const [index, slot] of share.slots.entries()) positions[slot] = share.positions[index];
      this.#others.push({
        nodeId: id,
        share,
        positions,
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
          this.#obstacle ??= `node ${other.nodeId}: ${errorMessage(error)}`;
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
      batch.note(part.length, await this.#exchange(part));
      await this.#options.pace.rest(this.#signal);
    }
  }

  /**
   * Brings the owners of these slots to the same versions.
   * @returns how many versions it has had in memory of one owner, or of the others together
   */
  async #exchange(slots: readonly number[]): Promise<number> {
    const before = await this.#readOwn(slots);
    const held = new Map<OtherOwner, readonly HeldRange[]>();
    const pulled = new Map<number, Set<number>>();
    for (const other of this.#others) {
      await this.#tryWith(other, async () => {
        const ranges = await this.#askVersions(other, slots, before);
        held.set(other, ranges);
        const wanted = this.#planAll(before, ranges, 'pulls');
        for (const { slot, fingerprint } of wanted)
          pulled.set(slot, (pulled.get(slot) ?? new Set()).add(fingerprint));
        await this.#pull(other, wanted);
      });
    }
    const after = new Map(before);
    for (const [slot, versions] of await this.#readOwn([...pulled.keys()])) after.set(slot, versions);
    for (const other of this.#others) {
      const ranges = held.get(other);
      if (ranges === undefined) continue;
      const wanted = this.#planAll(after, ranges, 'pushes');
      for (const [slot, fingerprints] of pulled) {
        if (other.positions[slot] < 0) continue;
        const unlisted = outside(
          fingerprints,
          ranges.filter(({ range }) => range.slot === slot),
        );
        wanted.push(...this.#planUnlisted(other, slot, unlisted, before, after));
      }
      await this.#tryWith(other, () => this.#push(other, wanted, ranges));
    }
    let told = 0;
    for (const ranges of held.values()) for (const { list } of ranges) told += list.entries.length;
    return Math.max(versionsIn(after.values()), told);
  }

  /**
   * What another owner lacks of what was pulled, in a slot or a range of it that was not listed, as its digest was as
   * this node's: it held the same as this node before this one got more from others.
   */
  #planUnlisted(
    other: OtherOwner,
    slot: number,
    pulled: ReadonlySet<number>,
    before: ReadonlyMap<number, SlotVersions>,
    after: ReadonlyMap<number, SlotVersions>,
  ): SlotFingerprint[] {
    const position = other.positions[slot];
    if (pulled.size === 0) return [];
    const within = (versions: SlotVersions | undefined): VersionEntry[] =>
      versions === undefined
        ? []
        : entriesOf(versions, 0, versions.count).filter(({ fingerprint }) => pulled.has(fingerprint));
    const entries = within(before.get(slot)).filter(({ from }) => from > position);
    const { pushes } = planExchange(this.#ownList(slot, within(after.get(slot))), {
      position,
      entries,
      settled: 0,
    });
    return pushes.map((fingerprint) => ({ slot, fingerprint }));
  }

  /** Asks what the other owner holds of the slots in which it differs, going down where a range has many versions. */
  async #askVersions(
    other: OtherOwner,
    slots: readonly number[],
    own: ReadonlyMap<number, SlotVersions>,
  ): Promise<HeldRange[]> {
    const { maxAnswerBytes, peers, settledAt, throttle } = this.#options;
    const held: HeldRange[] = [];
    const open: AskedRange[] = slots
      .filter((slot) => other.differing.has(slot))
      .map((slot) => ({ slot, depth: 0, prefix: 0, purgeableTo: settledAt(slot) }));
    while (open.length > 0) {
      const ranges = open.slice(0, RANGES_AT_A_TIME);
      const ask = {
        kind: RoundMessage.versions,
        round: this.#point.round,
        maxBytes: maxAnswerBytes,
        ranges,
      };
      const answer = await peers.ask(other.nodeId, encodeRequest(ask), ANSWER_TIMEOUT_MS);
      await throttle.wait(this.#signal);
      throttle.take(answer.length);
      const told = decodeTold(answer);
      if (told.length === 0 || told.length > ranges.length) throw new Error('it told nothing of a slot');
      open.splice(0, told.length);
      for (const [index, { settled, entries, folds }] of told.entries()) {
        const range = ranges[index];
        const position = other.positions[range.slot];
        if (entries === null) {
          const scope = { minFrom: position + 1, purgeableTo: range.purgeableTo };
          const ownFolds = foldChildren(own.get(range.slot)!, range, scope);
          for (const byte of differing(ownFolds, folds))
            open.push({ ...childOf(range, byte), purgeableTo: range.purgeableTo });
        } else held.push({ range, list: { position, entries, settled } });
      }
    }
    return held;
  }

  #planAll(
    own: ReadonlyMap<number, SlotVersions>,
    held: readonly HeldRange[],
    direction: 'pulls' | 'pushes',
  ): SlotFingerprint[] {
    return held.flatMap(({ range, list }) => {
      const versions = own.get(range.slot)!;
      const { start, end } = spanOf(versions, range);
      const plan = planExchange(this.#ownList(range.slot, entriesOf(versions, start, end)), list);
      return plan[direction].map((fingerprint) => ({ slot: range.slot, fingerprint }));
    });
  }

  async #pull(other: OtherOwner, wanted: readonly SlotFingerprint[]): Promise<void> {
    const { owner } = this.#options;
    const fetch = (part: readonly SlotFingerprint[]): Promise<FetchResult> =>
      owner.fetch(other.nodeId, part, ANSWER_TIMEOUT_MS, true, this.#signal);
    await this.#inParts(wanted, fetch);
  }

  async #push(
    other: OtherOwner,
    wanted: readonly SlotFingerprint[],
    held: readonly HeldRange[],
  ): Promise<void> {
    const { nodeId, owner, peers } = this.#options;
    const settled = new Map(held.map(({ range, list }) => [range.slot, list.settled]));
    const fetch = async (part: readonly SlotFingerprint[]): Promise<FetchResult> => {
      const ask = { kind: RoundMessage.fetch, leader: nodeId, wanted: part };
      const result = decodeFetchResult(await peers.ask(other.nodeId, encodeRequest(ask), ANSWER_TIMEOUT_MS));
      this.#keysSent += result.stored;
      await owner.bury(result.dead, (slot) => settled.get(slot) ?? 0, this.#signal);
      return result;
    };
    await this.#inParts(wanted, fetch);
  }

  /** Asks until nothing is left; what cannot be brought over makes its slot unclean. */
  async #inParts(
    wanted: readonly SlotFingerprint[],
    fetch: (part: readonly SlotFingerprint[]) => Promise<FetchResult>,
  ): Promise<void> {
    const { clock } = this.#options;
    for (let at = 0; at < wanted.length; at += RECORDS_AT_A_TIME) {
      const part = wanted.slice(at, at + RECORDS_AT_A_TIME);
      let left: readonly SlotFingerprint[] = part;
      for (let inVain = 0; left.length > 0 && inVain < MAX_FETCHES_IN_VAIN; ) {
        const result = await fetch(left);
        // Which slots the failed ones belong to was not told.
        if (result.failed > 0) this.#spoil(part, 'a record could not be stored');
        this.#spoil(result.dead, 'a value that is gone has come back, and is buried');
        inVain = result.left.length < left.length ? 0 : inVain + 1;
        left = result.left;
        if (left.length > 0 && result.waitMs > 0)
          await pause(clock, Math.min(result.waitMs, MAX_FETCH_WAIT_MS), this.#signal);
      }
      this.#spoil(left, 'there was too much to bring over');
    }
  }

  /** @returns how many slots are settled */
  async #settle(): Promise<number> {
    const { isDemanded, owners } = this.#options;
    if (this.#point.timestamp <= 0) return 0;
    const away = new Set(this.#scope.skipped);
    for (const { isClosed, isLost, nodeId } of this.#others) if (isLost || !isClosed) away.add(nodeId);
    const isAway = owners().nodeIds.map((id) => away.has(id));
    const { positions, slots } = this.#own;
    const clean = slots.filter(
      (slot, index) =>
        positions[index] === 0 &&
        this.#unclean[slot] === 0 &&
        (isDemanded || this.#isOpen(slot)) &&
        this.#isComplete(slot, isAway),
    );
    const barred = await this.#askAll(RoundMessage.bar, clean);
    if (barred.length < clean.length)
      this.#obstacle ??=
        'a late write came while its slot was compared, or an owner has lost a record by damage that no other has';
    return (await this.#askAll(RoundMessage.settle, barred)).length;
  }

  /** Whether all owners of the slot are in the round. */
  #isComplete(slot: number, isAway: readonly boolean[]): boolean {
    const owners = this.#options.owners();
    const offset = owners.listOffset(slot);
    for (let position = 0; position < owners.maxFrom; position++)
      if (isAway[owners.lists[offset + position]]) return false;
    return true;
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
    const given = new Uint8Array(SLOT_COUNT);
    const ask = async (id: string, own: Uint16Array): Promise<void> => {
      const refused = new Set(decodeSlots(await peers.ask(id, body, ANSWER_TIMEOUT_MS)));
      for (const slot of own) if (!refused.has(slot)) given[slot]++;
    };
    await Promise.all([
      ask(nodeId, this.#own.slots),
      ...this.#others.map((other) => this.#tryWith(other, () => ask(other.nodeId, other.share.slots))),
    ]);
    return slots.filter((slot) => given[slot] === owners().maxFrom);
  }

  async #readOwn(slots: readonly number[]): Promise<Map<number, SlotVersions>> {
    const { engine } = this.#options;
    const read = await Promise.all(slots.map((slot) => engine.slotVersions(slot, this.#signal)));
    return new Map(slots.map((slot, index) => [slot, read[index]]));
  }

  #ownList(slot: number, entries: readonly VersionEntry[]): OwnerList {
    const { nodeId, owners, settledAt } = this.#options;
    const position = positionOf(owners(), slot, owners().nodeIds.indexOf(nodeId));
    return { position, entries, settled: settledAt(slot) };
  }

  #spoil(of: readonly SlotFingerprint[], obstacle: string): void {
    if (of.length > 0) this.#obstacle ??= obstacle;
    for (const { slot } of of) this.#unclean[slot] = 1;
  }

  /** What goes wrong with one owner ends the round with that owner, and not with the others. */
  async #tryWith(other: OtherOwner, work: () => Promise<void>): Promise<void> {
    if (other.isLost) return;
    try {
      await work();
    } catch (error) {
      this.#signal.throwIfAborted();
      other.isLost = true;
      this.#obstacle ??= `node ${other.nodeId}: ${errorMessage(error)}`;
    }
  }
}

/** The fingerprints that lie in none of these ranges of their slot. */
function outside(fingerprints: ReadonlySet<number>, ranges: readonly HeldRange[]): ReadonlySet<number> {
  const widthAt = (depth: number): number => FAN_OUT ** (MAX_DEPTH - depth);
  const listed = new Set(ranges.map(({ range: { depth, prefix } }) => `${depth} ${prefix}`));
  const depths = [...new Set(ranges.map(({ range }) => range.depth))];
  return new Set(
    [...fingerprints].filter(
      (fingerprint) =>
        !depths.some((depth) => listed.has(`${depth} ${Math.floor(fingerprint / widthAt(depth))}`)),
    ),
  );
}
