/**
 * Whether this node's data folder is whole, kept across restarts: the rules of wholeness.ts over the identity file,
 * with a log line or a condition for whatever an operator has to know. While it is not, this says of each slot whether
 * it has been refilled; bootstrap/ refills them, and keeps which they are.
 */

import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import { lastStartId, type ToldFolder } from '../folder-history.ts';
import { PROGRAM } from '../program.ts';
import { CountedSlots } from './bootstrap/counted-slots.ts';
import type { WholeState } from './identity-file.ts';
import type { IdentityStore } from './identity-store.ts';
import {
  beginWholeness,
  declareFilled,
  declareIncomplete,
  type FolderNews,
  type Greeting,
  hearGreeting,
  hearNews,
  judgePeer,
  type PeerVerdict,
  rememberedOf,
  type Wholeness,
} from './wholeness.ts';

const LOST_BY_PEER: Readonly<Record<Exclude<PeerVerdict, 'known'>, string>> = {
  emptied: 'has come back with another data folder',
  older: 'has come back with an older copy of its data folder',
};

interface WholenessLog {
  info(message: string): void;
  warn(message: string): void;
}

export class FolderWholeness {
  readonly #store: IdentityStore;
  readonly #log: WholenessLog;
  readonly #conditions: Pick<Conditions, 'raise' | 'clear'>;
  readonly #clock: Pick<Clock, 'nowMs'>;
  #state: Wholeness;
  #isWhole: boolean;
  /** While the folder is incomplete: the slots in which nothing is missing any more. */
  readonly #filled = new CountedSlots();
  /** Called when something more is missing than was known: what was filled before means nothing any more. */
  onLack: () => void = () => undefined;
  /** Peers whose folder does not hold what is remembered of it, each with the start for which that was logged. */
  readonly #reported = new Map<string, string>();

  /** @param clusterSize the number of nodes in the cluster, including this one */
  constructor(
    store: IdentityStore,
    clusterSize: number,
    log: WholenessLog,
    conditions: Pick<Conditions, 'raise' | 'clear'>,
    clock: Pick<Clock, 'nowMs'>,
  ) {
    this.#store = store;
    this.#log = log;
    this.#conditions = conditions;
    this.#clock = clock;
    const { nodeId, incarnation, whole, declaredMs, missing, remembered } = store.current;
    const folder = { nodeId, incarnation, declaredMs, history: store.durable.history };
    this.#state = beginWholeness({ ...folder, clusterSize, whole, missing, remembered });
    this.#isWhole = this.#state.whole === 'whole';
    this.#keep(whole);
    if (whole === 'incomplete') this.#raiseIncomplete();
  }

  /** Whether all reads of this node count. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Whether reads of this node count in the slot. */
  isSlotWhole(slot: number): boolean {
    return this.#isWhole || this.#filled.has(slot);
  }

  /**
   * Names what is missing: a number that is another one whenever something more is missing. Progress that was noted for
   * another one means nothing. 0: nothing is missing, or that is not known.
   */
  get lack(): number {
    return this.#state.whole === 'incomplete' ? this.#state.declaredMs : 0;
  }

  /** Whether it is on disk what is missing: a crash cannot take back that the node knows it. */
  get isLackDurable(): boolean {
    const { whole, declaredMs } = this.#store.durable;
    return whole === 'incomplete' && declaredMs === this.#state.declaredMs;
  }

  /** Slots in which nothing is missing any more. */
  get filled(): Pick<CountedSlots, 'has' | 'count' | 'bytes'> {
    return this.#filled;
  }

  /** Nothing that was missing at the time of `lack` is missing in the slot any more. */
  slotFilled(slot: number): void {
    if (this.#state.whole === 'incomplete') this.#filled.add(slot);
  }

  /** The same of every slot that this node has a part in. */
  allFilled(): void {
    if (this.#state.whole !== 'incomplete') return;
    this.#state = declareFilled(this.#state);
    this.#isWhole = true;
    this.#keep('incomplete');
    this.#conditions.clear('INCOMPLETE', 'The data of this node is whole again: all of it has been refilled');
  }

  /** This node has found out by itself that something is missing. */
  declareIncomplete(): void {
    const before = this.#state.whole;
    this.#state = declareIncomplete(this.#state, null, this.#clock.nowMs());
    this.#lacks(before);
  }

  get whole(): WholeState {
    return this.#state.whole;
  }

  /** Whether it is known that the node's data is whole, or that it is not. */
  get isKnown(): boolean {
    return this.#state.whole !== 'unproven';
  }

  /** What this node says of its own folder, and of the peer's when it knows which peer it is. */
  greetingFor(peerNodeId: string | null): Greeting {
    const { nodeId, incarnation } = this.#state;
    const { history, declaredMs } = this.folder;
    const remembered = peerNodeId === null ? null : rememberedOf(this.#state, peerNodeId);
    return { nodeId, incarnation, history, declaredMs, remembered };
  }

  /** This node's own folder as it is on disk: peers are told what no crash can take back. */
  get folder(): ToldFolder {
    return this.#store.durable;
  }

  /** Notes what a peer of this cluster said in its handshake. */
  hear(greeting: Greeting): void {
    const before = { ...this.#state, history: this.folder.history };
    this.#reportPeer(greeting, judgePeer(before, greeting));
    this.#state = hearGreeting(before, greeting, this.#clock.nowMs());
    if (this.#state.whole === 'incomplete' && this.#state.declaredMs !== before.declaredMs) {
      this.#lacks(before.whole);
      return;
    }
    this.#isWhole = this.#state.whole === 'whole';
    this.#keep(before.whole);
  }

  /** Notes how far the folder of a peer has come since its handshake. */
  hearNews(news: FolderNews): void {
    this.#state = hearNews(this.#state, news);
    const { remembered } = this.#state;
    if (remembered !== this.#store.current.remembered) this.#store.updateSoon({ remembered });
  }

  #lacks(before: WholeState): void {
    this.#isWhole = false;
    this.#filled.clear();
    this.#keep(before);
    this.#raiseIncomplete();
    this.onLack();
  }

  /** Logged once for each start of the peer, and not at every handshake. */
  #reportPeer({ nodeId, incarnation, history }: Greeting, verdict: PeerVerdict): void {
    const start = `${incarnation} ${lastStartId(history)}`;
    if (verdict === 'known' || this.#reported.get(nodeId) === start) return;
    this.#reported.set(nodeId, start);
    this.#log.warn(`Node ${nodeId} ${LOST_BY_PEER[verdict]}: it counts for no read until it is refilled`);
  }

  /** Makes durable what differs from the identity file. */
  #keep(before: WholeState): void {
    const { whole, declaredMs, missing, remembered } = this.#state;
    if (whole === 'whole' && before === 'unproven') this.#log.info('The data of this node is whole');
    const { current } = this.#store;
    if (
      whole === current.whole &&
      declaredMs === current.declaredMs &&
      remembered === current.remembered &&
      missing === current.missing
    )
      return;
    // A write that fails for good stops the node: the owner of the store watches its `failed`. A write that is refused
    // for now is made up for by the next one.
    this.#store.update({ whole, declaredMs, missing, remembered }).catch(() => {});
  }

  #raiseIncomplete(): void {
    const { missing, incarnation } = this.#state;
    let why = 'a repair dropped a part of it, or its engine folder holds less than it did';
    if (missing !== null && missing.incarnation === incarnation)
      why = 'its data folder was put back to an older copy, its peers remember a later state of it';
    else if (missing !== null) why = 'its data folder was emptied, its peers knew it with another one';
    this.#conditions.raise(
      'INCOMPLETE',
      `The data of this node is not whole: ${why}. It takes writes, and is refilled from the other nodes; slots that are not refilled count for no read. When nothing is missing, or no other node has what is, stop it and declare it whole: ${PROGRAM} declare-whole <its data folder>`,
      false,
    );
  }
}
