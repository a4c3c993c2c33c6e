/**
 * What a node concludes from its peers' handshakes: whether its own folder is whole, and under which incarnation
 * each peer is known. Pure: a state and a greeting in, the next state out.
 *
 * A node that has lost its folder cannot know it: an empty folder looks the same on the first day. Its peers can,
 * because they remember the incarnation it had. So a new folder is unproven until every other node has greeted it
 * and none knew it with another folder. A majority is not enough: a peer that is new itself, or was emptied as
 * well, agrees to anything, and the one that would know better may be away. The price is that a cluster's first
 * day needs all of its nodes once.
 *
 * - unproven → whole        all agree
 * - unproven → incomplete   a peer remembers another incarnation
 * - whole → incomplete      the same, later: the peer had been emptied and put back. Not when an operator or a bulk
 *                           load vouched for the folder
 * - incomplete → whole      only offline, by an operator (identity.ts)
 */
import type { WholeState } from './identity-file.ts';

export interface MembershipState {
  readonly nodeId: string;
  readonly incarnation: string;
  /** Nodes in the cluster, this one included. */
  readonly clusterSize: number;
  readonly whole: WholeState;
  readonly declared: boolean;
  readonly remembered: Readonly<Record<string, string>>;
  /** Peers that greeted since the start and know this node with no other folder. */
  readonly agreeing: ReadonlySet<string>;
}

/** What a handshake says of the peer's folder and of ours. */
export interface Greeting {
  readonly nodeId: string;
  readonly incarnation: string;
  /** Someone vouches for the peer's folder: its incarnation replaces one we remember. */
  readonly declared: boolean;
  /** The incarnation under which the peer knows us; null when it does not. */
  readonly remembered: string | null;
}

/** The state a node starts with; a cluster of one has nobody to ask. */
export function beginMembership(state: Omit<MembershipState, 'agreeing'>): MembershipState {
  return prove({ ...state, agreeing: new Set() });
}

export function hearGreeting(state: MembershipState, greeting: Greeting): MembershipState {
  return judgeOwnFolder(rememberPeer(state, greeting), greeting);
}

/** Whether a peer came back with another folder than we know, and nobody vouches for it. */
export function cameBackEmpty(state: MembershipState, greeting: Greeting): boolean {
  const known = rememberedOf(state, greeting.nodeId);
  return known !== null && known !== greeting.incarnation && !greeting.declared;
}

export function rememberedOf(state: MembershipState, nodeId: string): string | null {
  return Object.hasOwn(state.remembered, nodeId) ? state.remembered[nodeId] : null;
}

function rememberPeer(state: MembershipState, greeting: Greeting): MembershipState {
  const known = rememberedOf(state, greeting.nodeId);
  if (known === greeting.incarnation || cameBackEmpty(state, greeting)) return state;
  return { ...state, remembered: { ...state.remembered, [greeting.nodeId]: greeting.incarnation } };
}

function judgeOwnFolder(state: MembershipState, greeting: Greeting): MembershipState {
  if (greeting.remembered !== null && greeting.remembered !== state.incarnation) {
    return state.declared || state.whole === 'incomplete' ? state : { ...state, whole: 'incomplete' };
  }
  if (state.whole !== 'unproven' || state.agreeing.has(greeting.nodeId)) return state;
  return prove({ ...state, agreeing: new Set(state.agreeing).add(greeting.nodeId) });
}

function prove(state: MembershipState): MembershipState {
  if (state.whole !== 'unproven' || state.agreeing.size + 1 < state.clusterSize) return state;
  return { ...state, whole: 'whole' };
}
