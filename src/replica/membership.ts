/**
 * What a node concludes from its peers' handshakes: whether its own folder is whole, and what it remembers of
 * theirs. Pure: a state and a greeting in, the next state out.
 *
 * A node that has lost its folder cannot know it: an empty folder looks the same on the first day, and one put back
 * to an older copy looks the same as on the day of the copy. Its peers can, because they remember its incarnation
 * and how far its history went. So a new folder is unproven until every other node has greeted it and none knew it
 * with another folder. A majority is not enough: a peer that is new itself, or was emptied as well, agrees to
 * anything, and the one that would know better may be away. The price is that a cluster's first day needs all of
 * its nodes once.
 *
 * - unproven → whole        all agree
 * - unproven → incomplete   a peer remembers another incarnation
 * - whole → incomplete      the same, later: the peer had been emptied and put back; or a peer remembers a later state
 *                           of this folder. Not when someone vouched for the folder since
 * - incomplete → whole      only offline, by an operator (identity.ts)
 *
 * What a peer remembers it keeps while the folder does not reach it: a node killed before it has noted that it is
 * incomplete is told again.
 */
import { type FolderHistory, type FolderMemory, lastStartId, reaches } from '../folder-history.ts';
import type { WholeState } from './identity-file.ts';

export interface MembershipState {
  readonly nodeId: string;
  readonly incarnation: string;
  /** Nodes in the cluster, this one included. */
  readonly clusterSize: number;
  readonly whole: WholeState;
  readonly declaredMs: number;
  /** While it is incomplete: what a peer remembers of this node and the folder does not hold. */
  readonly missing: FolderMemory | null;
  /** Of this node's folder, as far as it is durable. */
  readonly history: FolderHistory;
  readonly remembered: Readonly<Record<string, FolderMemory>>;
  /** Peers that greeted since the start and know this node with no other folder. */
  readonly agreeing: ReadonlySet<string>;
}

/** What a handshake says of the peer's folder and of ours. */
export interface Greeting {
  readonly nodeId: string;
  readonly incarnation: string;
  readonly history: FolderHistory;
  /** When someone vouched for the peer's folder: if that is later than we know of, it replaces what we remember. */
  readonly declaredMs: number;
  /** What the peer remembers of us; null: nothing. */
  readonly remembered: FolderMemory | null;
}

/** How a peer's folder stands to what is remembered of it. */
export type PeerVerdict = 'known' | 'emptied' | 'older';

/** The state a node starts with; a cluster of one has nobody to ask. */
export function beginMembership(state: Omit<MembershipState, 'agreeing'>): MembershipState {
  return prove({ ...state, agreeing: new Set() });
}

export function hearGreeting(state: MembershipState, greeting: Greeting): MembershipState {
  return judgeOwnFolder(rememberPeer(state, greeting), greeting);
}

/** A peer has gone on since it greeted. */
export function hearHistory(state: MembershipState, nodeId: string, history: FolderHistory): MembershipState {
  const known = rememberedOf(state, nodeId);
  if (known === null || !reaches(history, known)) return state;
  const startId = lastStartId(history);
  return remember(state, nodeId, { ...known, startId, progress: history.progress });
}

export function judgePeer(state: MembershipState, greeting: Greeting): PeerVerdict {
  const known = rememberedOf(state, greeting.nodeId);
  if (known === null) return 'known';
  return judgeFolder(greeting, known);
}

export function rememberedOf(state: MembershipState, nodeId: string): FolderMemory | null {
  return Object.hasOwn(state.remembered, nodeId) ? state.remembered[nodeId] : null;
}

function judgeFolder(
  folder: Pick<Greeting, 'incarnation' | 'history' | 'declaredMs'>,
  known: FolderMemory,
): PeerVerdict {
  if (folder.declaredMs > known.declaredMs) return 'known';
  if (folder.incarnation !== known.incarnation) return 'emptied';
  return reaches(folder.history, known) ? 'known' : 'older';
}

function rememberPeer(state: MembershipState, greeting: Greeting): MembershipState {
  if (judgePeer(state, greeting) !== 'known') return state;
  const { incarnation, history, declaredMs } = greeting;
  const { progress } = history;
  const startId = lastStartId(history);
  return remember(state, greeting.nodeId, { incarnation, startId, progress, declaredMs });
}

function remember(state: MembershipState, nodeId: string, memory: FolderMemory): MembershipState {
  const known = rememberedOf(state, nodeId);
  if (known !== null && isSame(known, memory)) return state;
  return { ...state, remembered: { ...state.remembered, [nodeId]: memory } };
}

function isSame(a: FolderMemory, b: FolderMemory): boolean {
  return (
    a.incarnation === b.incarnation &&
    a.startId === b.startId &&
    a.progress === b.progress &&
    a.declaredMs === b.declaredMs
  );
}

function judgeOwnFolder(state: MembershipState, greeting: Greeting): MembershipState {
  const { remembered } = greeting;
  if (remembered !== null && judgeFolder(state, remembered) !== 'known') {
    return { ...state, whole: 'incomplete', missing: laterOf(state.missing, remembered) };
  }
  if (state.whole !== 'unproven' || state.agreeing.has(greeting.nodeId)) return state;
  return prove({ ...state, agreeing: new Set(state.agreeing).add(greeting.nodeId) });
}

/** Kept is what the next word of an operator has to be later than. */
function laterOf(a: FolderMemory | null, b: FolderMemory): FolderMemory {
  return a === null || b.declaredMs > a.declaredMs ? b : a;
}

function prove(state: MembershipState): MembershipState {
  if (state.whole !== 'unproven' || state.agreeing.size + 1 < state.clusterSize) return state;
  return { ...state, whole: 'whole' };
}
