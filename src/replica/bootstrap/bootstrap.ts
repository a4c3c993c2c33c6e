/**
 * Refills a folder from which something is missing, and says of each slot when nothing is missing any more. DESIGN.md
 * has the reasons. It has two parts:
 *
 * 1. The bulk copy brings nearly everything fast. Meanwhile the node takes part in no round (`isCopying`), so nothing
 *    can be settled, and purged, that is on its way.
 * 2. A slot is whole once it took part in a finished round over all its owners, one of which is whole: then this node
 *    has every version up to the round's watermark that any owner has. The watermark must be later than all that the
 *    folder may have lost, which is what the node acknowledged before it was started.
 *
 * Which slots are whole is kept durably, for the folder and the lack that it was for.
 */
import { SLOT_COUNT, SlotSet } from '../../../native-free-lsm/index.ts';
import type { Clock, Random } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import type { FolderWholeness } from '../folder-wholeness.ts';
import { OwnPart, type OwnRecords } from '../own-records.ts';
import { pause } from '../pause.ts';
import type { SlotOwners } from '../slot-owners.ts';
import { BulkCopy, type BulkPace } from './bulk-copy.ts';
import type { BulkPeers } from './bulk-peers.ts';
import type { BulkWriter } from './bulk-writer.ts';
import { decodeFilled, encodeFilled } from './filled-codec.ts';
import { keptProgress } from './kept-progress.ts';

const FILLED_NAME = Buffer.from('filled');
const POLL_MS = 50;
const RETRY_MS = 1_000;
const UNFILLABLE_RETRY_MS = 5_000;
const KEEP_EVERY_MS = 1_000;
const ROUNDS_EVERY_MS = 10_000;
/** So many slots are looked at in one turn: a slot costs some microseconds. */
const SLOTS_A_TURN = 1_024;

type Lacking = Pick<
  FolderWholeness,
  'allFilled' | 'filled' | 'isLackDurable' | 'isSlotWhole' | 'lack' | 'onLack' | 'slotFilled' | 'whole'
>;

/** The rounds of anti-entropy, which prove that a slot is whole. */
export interface BootstrapRounds {
  requestRounds(): void;
  msUntilSettleable(timestamp: number): number;
}

interface BootstrapOptions {
  readonly nodeId: string;
  readonly incarnation: string;
  readonly wholeness: Lacking;
  readonly owners: () => Pick<SlotOwners, 'hasOwnerOf' | 'idsOf' | 'isOwner' | 'marked'>;
  readonly peers: BulkPeers;
  readonly writer: Pick<BulkWriter, 'write'>;
  readonly records: Pick<OwnRecords, 'get' | 'put' | 'delete' | 'scan'>;
  readonly pace: BulkPace;
  readonly spanBytes: number;
  readonly maxKeyBytes: number;
  readonly freshFrom: () => number;
  readonly rounds: BootstrapRounds;
  /**
   * A timestamp above everything that this node can have acknowledged until now, whatever its clock showed; 0: its
   * time is not known yet.
   */
  readonly latestAcknowledged: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: { info(message: string): void; warn(message: string): void };
}

type BootstrapState =
  /** Nothing is missing, as far as is known. */
  | 'idle'
  /** What is missing is made durable, and the node's time is waited for. */
  | 'starting'
  | 'copying'
  /** The rest is filled, and proved to be whole, by rounds over all owners of each slot. */
  | 'proving'
  /** No other node is whole: nobody knows what is missing, until an operator declares one of them whole. */
  | 'unfillable';

interface BootstrapFigures {
  readonly state: BootstrapState;
  readonly slots: number;
  readonly slotsWhole: number;
  readonly copiedBytes: number;
  readonly copiedEntries: number;
  /** An estimate, from what the sources hold. */
  readonly bytesToCopy: number;
  /** An estimate; null: none can be made. */
  readonly secondsLeft: number | null;
  /** Nodes without which it cannot go on, or not finish. */
  readonly waitsFor: readonly string[];
  /** Bytes that this node has sent to others that were being filled. */
  readonly sentBytes: number;
}

export class Bootstrap {
  readonly #options: BootstrapOptions;
  readonly #source: { readonly sentBytes: number };
  #state: BootstrapState = 'idle';
  #copy: BulkCopy | null = null;
  /** Nodes that were whole while this one was not: none without them. */
  #sources: ReadonlySet<string> = new Set();
  /** Versions from here on cannot have been lost; 0: not known yet. */
  #floor = 0;
  #stateSinceMs = 0;
  #wholeAtProving = 0;
  #run: { readonly over: AbortController; readonly ended: Promise<void> } | null = null;
  #keeping: Promise<void> | null = null;
  #isClosed = false;

  /** @param source of what this node sends to others */
  constructor(options: BootstrapOptions, source: { readonly sentBytes: number }) {
    this.#options = options;
    this.#source = source;
  }

  /** Fills what is missing now, and what will be found to be missing. */
  start(): void {
    this.#options.wholeness.onLack = () => this.#begin();
    if (this.#options.wholeness.whole === 'incomplete') this.#begin();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#run?.over.abort();
    await this.#run?.ended;
    await this.#keeping;
  }

  /** Whether entries are on their way that a round must not settle: the node takes part in none meanwhile. */
  get isCopying(): boolean {
    return this.#state === 'starting' || this.#state === 'copying';
  }

  /**
   * Slots have been settled by a round in which this node took part: every owner has all versions of them up to the
   * watermark that any owner had. Where all of them lack something, nobody knows what: that fills nothing.
   */
  onSettled(slots: Uint16Array, watermark: number): void {
    const { owners, wholeness } = this.#options;
    if (wholeness.whole !== 'incomplete' || this.#sources.size === 0) return;
    if (this.#floor === 0 || watermark < this.#floor) return;
    const current = owners();
    const isSource = current.marked(this.#sources);
    for (let index = 0; index < slots.length; index++)
      if (current.hasOwnerOf(slots[index], isSource)) wholeness.slotFilled(slots[index]);
    this.#keepSoon();
  }

  figures(): BootstrapFigures {
    const { wholeness, peers } = this.#options;
    const copy = this.#copy?.figures();
    const held = copy?.sources.map(({ heldBytes }) => heldBytes).filter((bytes) => bytes > 0) ?? [];
    const meanHeld = held.length === 0 ? 0 : held.reduce((sum, bytes) => sum + bytes, 0) / held.length;
    const copiedBytes = copy?.copiedBytes ?? 0;
    const slotsWhole = this.#state === 'idle' ? SLOT_COUNT : wholeness.filled.count;
    // Each slot is sent by one of the sources, and what they hold is as much as this node is to hold.
    const bytesToCopy = Math.round(Math.max(copiedBytes, meanHeld));
    const waitsForPeers = this.#state === 'proving' || this.#state === 'starting';
    return {
      state: this.#state,
      slots: SLOT_COUNT,
      slotsWhole,
      copiedBytes,
      copiedEntries: copy?.copiedEntries ?? 0,
      bytesToCopy,
      secondsLeft: this.#secondsLeft(copiedBytes, bytesToCopy, slotsWhole),
      waitsFor: waitsForPeers ? peers.ids.filter((id) => !peers.isUp(id)) : (copy?.waitsFor ?? []),
      sentBytes: this.#source.sentBytes,
    };
  }

  #secondsLeft(copiedBytes: number, bytesToCopy: number, slotsWhole: number): number | null {
    const seconds = (this.#options.clock.monotonicMs() - this.#stateSinceMs) / 1_000;
    if (this.#state === 'copying' && copiedBytes > 0)
      return Math.ceil(((bytesToCopy - copiedBytes) * seconds) / copiedBytes);
    const proved = slotsWhole - this.#wholeAtProving;
    if (this.#state === 'proving' && proved > 0)
      return Math.ceil(((SLOT_COUNT - slotsWhole) * seconds) / proved);
    return null;
  }

  #enter(state: BootstrapState): void {
    this.#state = state;
    this.#stateSinceMs = this.#options.clock.monotonicMs();
  }

  /** What was begun for another lack is given up: nothing that is on its way for it is written any more. */
  #begin(): void {
    if (this.#isClosed) return;
    const before = this.#run;
    before?.over.abort();
    this.#enter('starting');
    const over = new AbortController();
    const ended = (async () => {
      await before?.ended;
      await this.#fillUntilDone(over.signal);
    })();
    this.#run = { over, ended };
  }

  async #fillUntilDone(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#fill(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.warn(
          `Filling what this node lacks failed, and is tried again: ${errorMessage(error)}`,
        );
        await pause(this.#options.clock, RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  async #fill(signal: AbortSignal): Promise<void> {
    const { clock, incarnation, latestAcknowledged, log, nodeId, peers, wholeness } = this.#options;
    this.#sources = new Set();
    if (peers.ids.length === 0) {
      this.#enter('unfillable');
      return;
    }
    this.#enter('starting');
    // Progress for a lack that a crash may take back would be taken for that of the next.
    while (!wholeness.isLackDurable) await pause(clock, POLL_MS, signal);
    const { lack } = wholeness;
    await this.#load(lack, signal);
    while (this.#floor === 0) {
      this.#floor = latestAcknowledged();
      if (this.#floor === 0) await pause(clock, POLL_MS, signal);
    }
    await this.#leaveOutForeignSlots(signal);
    const { freshFrom, maxKeyBytes, pace, random, records, rounds, spanBytes, writer } = this.#options;
    const amount = { pace, spanBytes, maxKeyBytes, freshFrom };
    const copy = new BulkCopy({ nodeId, incarnation, peers, writer, records, ...amount, clock, random, log });
    this.#copy = copy;
    log.info('The data of this node is refilled from the other nodes');
    for (;;) {
      this.#enter('copying');
      this.#sources = new Set(await copy.run(lack, signal));
      if (this.#sources.size > 0) break;
      // Rounds join what each node has, so that whichever of them is declared whole has the most.
      this.#enter('unfillable');
      do await pause(clock, UNFILLABLE_RETRY_MS, signal);
      while ((await copy.chooseSources(signal)).length === 0);
    }
    this.#wholeAtProving = wholeness.filled.count;
    this.#enter('proving');
    log.info('What this node lacked has been copied; rounds over all owners now prove it, slot by slot');
    await pause(clock, rounds.msUntilSettleable(this.#floor), signal);
    await this.#untilProved(signal);
    wholeness.allFilled();
    this.#enter('idle');
    await this.#keeping;
    await this.#forget(copy, signal);
  }

  /** What was kept means nothing for another lack: where the disk does not let it go, it stays. */
  async #forget(copy: BulkCopy, signal: AbortSignal): Promise<void> {
    const { log, records } = this.#options;
    try {
      await records.delete(OwnPart.bootstrap, FILLED_NAME);
      await copy.forget(signal);
    } catch (error) {
      if (!signal.aborted)
        log.warn(`How far the refilling had come could not be deleted: ${errorMessage(error)}`);
    }
  }

  /** Rounds come by themselves, but not soon: they are asked for, and again when nothing has come of it. */
  async #untilProved(signal: AbortSignal): Promise<void> {
    const { clock, rounds, wholeness } = this.#options;
    let before = -1;
    let nextMs = 0;
    while (wholeness.filled.count < SLOT_COUNT) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= nextMs) {
        if (wholeness.filled.count === before || before < 0) rounds.requestRounds();
        before = wholeness.filled.count;
        nextMs = nowMs + ROUNDS_EVERY_MS;
      }
      await pause(clock, POLL_MS, signal);
    }
  }

  async #load(lack: number, signal: AbortSignal): Promise<void> {
    const { incarnation, log, records, wholeness } = this.#options;
    const kept = await keptProgress(records, FILLED_NAME, log);
    signal.throwIfAborted();
    const bits = kept && decodeFilled(kept, lack, incarnation);
    if (bits === null) return;
    for (const slot of new SlotSet(bits).slots()) wholeness.slotFilled(slot);
  }

  /** A slot that this node does not own has nothing to fill. */
  async #leaveOutForeignSlots(signal: AbortSignal): Promise<void> {
    const { clock, nodeId, owners, wholeness } = this.#options;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (!owners().isOwner(slot, nodeId)) wholeness.slotFilled(slot);
      if (slot % SLOTS_A_TURN === SLOTS_A_TURN - 1) await pause(clock, 0, signal);
    }
  }

  #keepSoon(): void {
    this.#keeping ??= this.#keep().finally(() => {
      this.#keeping = null;
    });
  }

  async #keep(): Promise<void> {
    const { clock, incarnation, log, records, wholeness } = this.#options;
    try {
      if (!this.#isClosed) await pause(clock, KEEP_EVERY_MS, this.#run?.over.signal ?? NEVER);
    } catch {
      // It ends: what is known is kept now.
    }
    const { lack } = wholeness;
    if (lack === 0 || !wholeness.isLackDurable) return;
    try {
      const record = encodeFilled(lack, incarnation, wholeness.filled.bytes);
      await records.put(OwnPart.bootstrap, FILLED_NAME, record);
    } catch (error) {
      // The slots are proved again after a restart.
      log.warn(`Which slots have been filled could not be noted: ${errorMessage(error)}`);
    }
  }
}

const NEVER = new AbortController().signal;
