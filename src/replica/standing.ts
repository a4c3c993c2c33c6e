/**
 * Where this node stands in its cluster, kept across restarts: the rules of membership.ts over the identity file,
 * with a log line for whatever an operator has to know.
 */
import type { WholeState } from './identity-file.ts';
import type { IdentityStore } from './identity-store.ts';
import {
  beginMembership,
  cameBackEmpty,
  type Greeting,
  hearGreeting,
  type MembershipState,
  rememberedOf,
} from './membership.ts';

export interface StandingLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export class Standing {
  readonly #store: IdentityStore;
  readonly #log: StandingLog;
  #state: MembershipState;
  #isWhole: boolean;

  /** @param clusterSize nodes in the cluster, this one included */
  constructor(store: IdentityStore, clusterSize: number, log: StandingLog) {
    this.#store = store;
    this.#log = log;
    const { nodeId, incarnation, whole, declared, remembered } = store.current;
    this.#state = beginMembership({ nodeId, incarnation, clusterSize, whole, declared, remembered });
    this.#isWhole = this.#state.whole === 'whole';
    this.#keep(whole);
    if (whole === 'incomplete') this.#logIncomplete();
  }

  /** Whether reads of this node count. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get whole(): WholeState {
    return this.#state.whole;
  }

  /** Whether it is known that the node's data is whole, or that it is not. */
  get isSettled(): boolean {
    return this.#state.whole !== 'unproven';
  }

  /** What this node says of its own folder, and of the peer's when it knows which one it talks to. */
  greetingFor(peerNodeId: string | null): Greeting {
    const { nodeId, incarnation, declared } = this.#state;
    const remembered = peerNodeId === null ? null : rememberedOf(this.#state, peerNodeId);
    return { nodeId, incarnation, declared, remembered };
  }

  /** Takes note of what a peer of this cluster said in its handshake. */
  hear(greeting: Greeting): void {
    const before = this.#state;
    if (cameBackEmpty(before, greeting)) {
      this.#log.warn(
        `Node ${greeting.nodeId} has come back with another data folder: it counts for no read until it is declared whole`,
      );
    }
    this.#state = hearGreeting(before, greeting);
    this.#isWhole = this.#state.whole === 'whole';
    this.#keep(before.whole);
    if (this.#state.whole === 'incomplete' && before.whole !== 'incomplete') this.#logIncomplete();
  }

  /** Makes durable what differs from the identity file. */
  #keep(before: WholeState): void {
    const { whole, remembered } = this.#state;
    if (whole === 'whole' && before === 'unproven') this.#log.info('The data of this node is whole');
    const { current } = this.#store;
    if (whole === current.whole && remembered === current.remembered) return;
    // A write that fails for good stops the node: whoever owns the store watches its `failed`. One that is refused for
    // the time being goes with the next.
    this.#store.update({ whole, remembered }).catch(() => {});
  }

  #logIncomplete(): void {
    this.#log.error(
      `The data of this node is not whole: its peers knew it with another data folder, or a repair dropped a part of it. It takes writes and counts for no read. When nothing is missing, stop it and declare it whole: quorate declare-whole <its data folder>`,
    );
  }
}
