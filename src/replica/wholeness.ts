/**
 * Whether a node's own data folder is whole, and what the node remembers of its peers' folders: both follow from what
 * peers say in their handshakes. Pure: a state and a greeting in, the next state out.
 *
 * A node that has lost its folder cannot know that: an empty folder looks the same on the first day, and a folder that
 * was put back to an older copy looks as it did on the day of the copy. The peers can know it, because they remember
 * the folder's incarnation and how far its history went. So a new folder is unproven until every other node has
 * greeted this one, and none knew it with another folder. A majority is not enough: a peer that is new itself, or was
 * emptied as well, remembers nothing and so agrees, and the peer that knows better may be away. The price is that a
 * new cluster needs all of its nodes once.
 *
 * - unproven → whole        all agree
 * - unproven → incomplete   a peer remembers another incarnation
 * - whole → incomplete      the same, later: the peer's own folder had been emptied and was put back; or a peer
 *                           remembers a later state of this folder. Neither counts when the folder has been declared
 *                           since
 * - incomplete → whole      when every slot has been refilled (bootstrap/), or offline, by an operator (identity.ts)
 *
 * A node that finds out what its folder lacks declares so: it gives the folder a later `declaredMs`. Once that is
 * durable the peers are told, and from then on remember the folder as it is now. So they notice, too, when a folder is
 * put back that was being refilled. Until then they keep what they remember, and a node that is killed before it has
 * noted what it lacks is told so again.
 */
import { type FolderHistory, type FolderMemory, lastStartId, reaches } from '../folder-history.ts';
import type { WholeState } from './identity-file.ts';

export interface Wholeness {
  readonly nodeId: string;
  readonly incarnation: string;
  /** The number of nodes in the cluster, including this one. */
  readonly clusterSize: number;
  readonly whole: WholeState;
  /**
   * When somebody last declared the folder whole, or the node found out that something is missing. Of an incomplete
   * folder this names what it lacks: it is later each time that something more is missing.
   */
  readonly declaredMs: number;
  /** While the folder is incomplete: what a peer remembers of it and it does not hold. Otherwise null. */
  readonly missing: FolderMemory | null;
  /** The history of this node's folder, as far as it is durable. */
  readonly history: FolderHistory;
  readonly remembered: Readonly<Record<string, FolderMemory>>;
  /** Peers that have greeted since the start and know this node with no other folder. */
  readonly agreeing: ReadonlySet<string>;
}

/** What a peer says in a handshake of its own folder and of this node's. */
export interface Greeting {
  readonly nodeId: string;
  readonly incarnation: string;
  readonly history: FolderHistory;
  /** Of the peer's folder. If this node knows of none so late, what it remembers is replaced. */
  readonly declaredMs: number;
  /** What the peer remembers of this node's folder; null: nothing. */
  readonly remembered: FolderMemory | null;
}

/** What a peer's folder is, compared with what is remembered of it. */
export type PeerVerdict = 'known' | 'emptied' | 'older';

/** The state a node starts with. A node that is alone in its cluster has nobody to ask. */
export function beginWholeness(state: Omit<Wholeness, 'agreeing'>): Wholeness {
  return prove({ ...state, agreeing: new Set() });
}

/** @param nowMs by the wall clock, in ms since the Unix epoch */
export function hearGreeting(state: Wholeness, greeting: Greeting, nowMs: number): Wholeness {
  return judgeOwnFolder(rememberPeer(state, greeting), greeting, nowMs);
}

/** What a peer tells of its own folder. */
export type FolderNews = Omit<Greeting, 'remembered'>;

/** A peer's folder has come further since it greeted. */
export function hearNews(state: Wholeness, news: FolderNews): Wholeness {
  return rememberedOf(state, news.nodeId) === null ? state : rememberPeer(state, news);
}

/**
 * Something is missing from this node's own folder.
 * @param missing what a peer remembers of it; null: this node has found out by itself
 */
export function declareIncomplete(state: Wholeness, missing: FolderMemory | null, nowMs: number): Wholeness {
  const declaredMs = Math.max(Math.floor(nowMs), state.declaredMs + 1, (missing?.declaredMs ?? 0) + 1);
  return { ...state, whole: 'incomplete', declaredMs, missing: missing ?? state.missing };
}

/** Everything that was missing has been filled. */
export function declareFilled(state: Wholeness): Wholeness {
  return { ...state, whole: 'whole', missing: null };
}

export function judgePeer(state: Wholeness, greeting: FolderNews): PeerVerdict {
  const known = rememberedOf(state, greeting.nodeId);
  if (known === null) return 'known';
  return judgeFolder(greeting, known);
}

export function rememberedOf(state: Wholeness, nodeId: string): FolderMemory | null {
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

function rememberPeer(state: Wholeness, greeting: FolderNews): Wholeness {
  if (judgePeer(state, greeting) !== 'known') return state;
  const { incarnation, history, declaredMs } = greeting;
  const { progress } = history;
  const startId = lastStartId(history);
  return remember(state, greeting.nodeId, { incarnation, startId, progress, declaredMs });
}

function remember(state: Wholeness, nodeId: string, memory: FolderMemory): Wholeness {
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

function judgeOwnFolder(state: Wholeness, greeting: Greeting, nowMs: number): Wholeness {
  const { remembered } = greeting;
  if (remembered !== null && judgeFolder(state, remembered) !== 'known') {
    return declareIncomplete(state, remembered, nowMs);
  }
  if (state.whole !== 'unproven' || state.agreeing.has(greeting.nodeId)) return state;
  return prove({ ...state, agreeing: new Set(state.agreeing).add(greeting.nodeId) });
}

function prove(state: Wholeness): Wholeness {
  if (state.whole !== 'unproven' || state.agreeing.size + 1 < state.clusterSize) return state;
  return { ...state, whole: 'whole' };
}
