/**
 * Whether this node's data folder is whole, kept across restarts: the rules of wholeness.ts over the identity file,
 * with a log line or a condition for whatever an operator has to know.
 */
import type { Conditions } from '../conditions.ts';
import { type FolderHistory, lastStartId } from '../folder-history.ts';
import type { WholeState } from './identity-file.ts';
import type { IdentityStore } from './identity-store.ts';
import {
  beginWholeness,
  type Greeting,
  hearGreeting,
  hearHistory,
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
  readonly #conditions: Pick<Conditions, 'raise'>;
  #state: Wholeness;
  #isWhole: boolean;
  /** Peers whose folder does not hold what is remembered of it, each with the start for which that was logged. */
  readonly #reported = new Map<string, string>();

  /** @param clusterSize the number of nodes in the cluster, including this one */
  constructor(
    store: IdentityStore,
    clusterSize: number,
    log: WholenessLog,
    conditions: Pick<Conditions, 'raise'>,
  ) {
    this.#store = store;
    this.#log = log;
    this.#conditions = conditions;
    const { nodeId, incarnation, whole, declaredMs, missing, remembered } = store.current;
    const folder = { nodeId, incarnation, declaredMs, history: store.durable.history };
    this.#state = beginWholeness({ ...folder, clusterSize, whole, missing, remembered });
    this.#isWhole = this.#state.whole === 'whole';
    this.#keep(whole);
    if (whole === 'incomplete') this.#raiseIncomplete();
  }

  /** Whether reads of this node count. */
  get isWhole(): boolean {
    return this.#isWhole;
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
    const { nodeId, incarnation, declaredMs } = this.#state;
    const remembered = peerNodeId === null ? null : rememberedOf(this.#state, peerNodeId);
    return { nodeId, incarnation, history: this.history, declaredMs, remembered };
  }

  /** The history of this node's own folder as far as it is on disk: peers are told what no crash can take back. */
  get history(): FolderHistory {
    return this.#store.durable.history;
  }

  /** Notes what a peer of this cluster said in its handshake. */
  hear(greeting: Greeting): void {
    const before = { ...this.#state, history: this.history };
    this.#reportPeer(greeting, judgePeer(before, greeting));
    this.#state = hearGreeting(before, greeting);
    this.#isWhole = this.#state.whole === 'whole';
    this.#keep(before.whole);
    if (this.#state.whole === 'incomplete' && before.whole !== 'incomplete') this.#raiseIncomplete();
  }

  /** Notes how far the folder of a peer has come since its handshake. */
  hearHistory(peerNodeId: string, history: FolderHistory): void {
    this.#state = hearHistory(this.#state, peerNodeId, history);
    const { remembered } = this.#state;
    if (remembered !== this.#store.current.remembered) this.#store.updateSoon({ remembered });
  }

  /** Logged once for each start of the peer, and not at every handshake. */
  #reportPeer({ nodeId, incarnation, history }: Greeting, verdict: PeerVerdict): void {
    const start = `${incarnation} ${lastStartId(history)}`;
    if (verdict === 'known' || this.#reported.get(nodeId) === start) return;
    this.#reported.set(nodeId, start);
    this.#log.warn(
      `Node ${nodeId} ${LOST_BY_PEER[verdict]}: it counts for no read until it is declared whole`,
    );
  }

  /** Makes durable what differs from the identity file. */
  #keep(before: WholeState): void {
    const { whole, missing, remembered } = this.#state;
    if (whole === 'whole' && before === 'unproven') this.#log.info('The data of this node is whole');
    const { current } = this.#store;
    if (whole === current.whole && remembered === current.remembered && missing === current.missing) return;
    // A write that fails for good stops the node: the owner of the store watches its `failed`. A write that is refused
    // for now is made up for by the next one.
    this.#store.update({ whole, missing, remembered }).catch(() => {});
  }

  /**
   * The condition stays until the node is started again, because only the folder of a stopped node can be declared
   * whole.
   */
  #raiseIncomplete(): void {
    const { missing, incarnation } = this.#state;
    let why = 'a repair dropped a part of it, or its engine folder holds less than it did';
    if (missing !== null && missing.incarnation === incarnation)
      why = 'its data folder was put back to an older copy, its peers remember a later state of it';
    else if (missing !== null) why = 'its data folder was emptied, its peers knew it with another one';
    this.#conditions.raise(
      'INCOMPLETE',
      `The data of this node is not whole: ${why}. It takes writes and counts for no read. When nothing is missing, stop it and declare it whole: node cli.ts declare-whole <its data folder>`,
      false,
    );
  }
}
