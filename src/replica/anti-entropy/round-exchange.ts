/**
 * The exchange of a round: the slots in which owners differ are compared version by version, and each owner gets what
 * it lacks. The leader pulls first, so that it can push to each owner what all others hold.
 */
import type { SlotVersions } from '../../../native-free-lsm/index.ts';
import { pause } from '../pause.ts';
import { differing } from './digest-tree.ts';
import { type OwnerList, planExchange } from './exchange-plan.ts';
import { decodeFetchResult, encodeRequest, type FetchResult, RoundMessage } from './messages.ts';
import type { OtherOwner } from './other-owner.ts';
import type { AskedRange, SlotFingerprint } from './packed-lists.ts';
import type { RoundFaults } from './round-faults.ts';
import type { RoundOwner, RoundOwnerOptions } from './round-owner.ts';
import { positionInShare } from './slot-share.ts';
import { decodeTold } from './told-ranges.ts';
import {
  childOf,
  entriesOf,
  FAN_OUT,
  foldChildren,
  MAX_DEPTH,
  type SlotRange,
  spanOf,
  type VersionEntry,
  versionsIn,
} from './version-list.ts';

/** Ranges that are asked for at a time; more are answered in parts. */
const RANGES_AT_A_TIME = 256;
/** Records that are asked for at a time. */
const RECORDS_AT_A_TIME = 1024;
/** What was asked for so often in a row, and nothing of it came, is left for the next round. */
const MAX_FETCHES_IN_VAIN = 8;
/** An owner that has taken more than its rate allows is asked again when it allows more, or then. */
const MAX_FETCH_WAIT_MS = 600_000;

interface ExchangeOptions
  extends Pick<
    RoundOwnerOptions,
    'clock' | 'engine' | 'maxAnswerBytes' | 'nodeId' | 'owners' | 'peers' | 'settledAt' | 'throttle'
  > {
  readonly owner: RoundOwner;
  readonly faults: RoundFaults;
  readonly others: readonly OtherOwner[];
  readonly round: number;
  readonly answerTimeoutMs: number;
}

/** What another owner holds of one range. */
interface HeldRange {
  readonly range: SlotRange;
  readonly list: OwnerList;
}

export class RoundExchange {
  readonly #options: ExchangeOptions;
  readonly #signal: AbortSignal;
  /** Records that another owner got from this one. */
  keysSent = 0;

  constructor(options: ExchangeOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /**
   * Brings the owners of these slots to the same versions.
   * @returns how many versions it has had in memory of one owner, or of the others together
   */
  async run(slots: readonly number[]): Promise<number> {
    const before = await this.#readOwn(slots);
    const held = new Map<OtherOwner, readonly HeldRange[]>();
    const pulled = new Map<number, Set<number>>();
    for (const other of this.#options.others) {
      await this.#options.faults.tryWith(other, async () => {
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
    for (const other of this.#options.others) {
      const ranges = held.get(other);
      if (ranges === undefined) continue;
      const wanted = this.#planAll(after, ranges, 'pushes');
      for (const [slot, fingerprints] of pulled) {
        if (positionInShare(other.share, slot) < 0) continue;
        const unlisted = outside(
          fingerprints,
          ranges.filter(({ range }) => range.slot === slot),
        );
        wanted.push(...this.#planUnlisted(other, slot, unlisted, before, after));
      }
      await this.#options.faults.tryWith(other, () => this.#push(other, wanted, ranges));
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
    const position = positionInShare(other.share, slot);
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
        round: this.#options.round,
        maxBytes: maxAnswerBytes,
        ranges,
      };
      const answer = await peers.ask(other.nodeId, encodeRequest(ask), this.#options.answerTimeoutMs);
      await throttle.wait(this.#signal);
      throttle.take(answer.length);
      const told = decodeTold(answer);
      if (told.length === 0 || told.length > ranges.length) throw new Error('it told nothing of a slot');
      open.splice(0, told.length);
      for (const [index, { settled, entries, folds }] of told.entries()) {
        const range = ranges[index];
        const position = positionInShare(other.share, range.slot);
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
      owner.fetch(other.nodeId, part, this.#options.answerTimeoutMs, true, this.#signal);
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
      const result = decodeFetchResult(
        await peers.ask(other.nodeId, encodeRequest(ask), this.#options.answerTimeoutMs),
      );
      this.keysSent += result.stored;
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
        if (result.failed > 0) this.#options.faults.spoil(part, 'a record could not be stored');
        this.#options.faults.spoil(result.dead, 'a value that is gone has come back, and is buried');
        inVain = result.left.length < left.length ? 0 : inVain + 1;
        left = result.left;
        if (left.length > 0 && result.waitMs > 0)
          await pause(clock, Math.min(result.waitMs, MAX_FETCH_WAIT_MS), this.#signal);
      }
      this.#options.faults.spoil(left, 'there was too much to bring over');
    }
  }

  async #readOwn(slots: readonly number[]): Promise<Map<number, SlotVersions>> {
    const { engine } = this.#options;
    const read = await Promise.all(slots.map((slot) => engine.slotVersions(slot, this.#signal)));
    return new Map(slots.map((slot, index) => [slot, read[index]]));
  }

  #ownList(slot: number, entries: readonly VersionEntry[]): OwnerList {
    const { nodeId, owners, settledAt } = this.#options;
    const position = owners().positionOf(slot, owners().nodeIds.indexOf(nodeId));
    return { position, entries, settled: settledAt(slot) };
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
