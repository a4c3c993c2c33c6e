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
 *                           remembers a later state of this folder. Neither counts when somebody has vouched for
 *                           this folder since
 * - incomplete → whole      only offline, by an operator (identity.ts)
 *
 * A peer keeps what it remembers until the folder has come that far again: a node that is killed before it has noted
 * that it is incomplete is told so again.
 */
import { type FolderHistory, type FolderMemory, lastStartId, reaches } from '../folder-history.ts';
import type { WholeState } from './identity-file.ts';

export interface Wholeness {
  readonly nodeId: string;
  readonly incarnation: string;
  /** The number of nodes in the cluster, including this one. */
  readonly clusterSize: number;
  readonly whole: WholeState;
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
  /** When somebody vouched for the peer's folder. If this node knows of none so late, what it remembers is replaced. */
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

export function hearGreeting(state: Wholeness, greeting: Greeting): Wholeness {
  return judgeOwnFolder(rememberPeer(state, greeting), greeting);
}

/** A peer's folder has come further since it greeted. */
export function hearHistory(state: Wholeness, nodeId: string, history: FolderHistory): Wholeness {
  const known = rememberedOf(state, nodeId);
  if (known === null || !reaches(history, known)) return state;
  const startId = lastStartId(history);
  return remember(state, nodeId, { ...known, startId, progress: history.progress });
}

export function judgePeer(state: Wholeness, greeting: Greeting): PeerVerdict {
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

function rememberPeer(state: Wholeness, greeting: Greeting): Wholeness {
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

function judgeOwnFolder(state: Wholeness, greeting: Greeting): Wholeness {
  const { remembered } = greeting;
  if (remembered !== null && judgeFolder(state, remembered) !== 'known') {
    return { ...state, whole: 'incomplete', missing: laterOf(state.missing, remembered) };
  }
  if (state.whole !== 'unproven' || state.agreeing.has(greeting.nodeId)) return state;
  return prove({ ...state, agreeing: new Set(state.agreeing).add(greeting.nodeId) });
}

/** The memory with the later declaration: an operator's next declaration has to be later than that. */
function laterOf(a: FolderMemory | null, b: FolderMemory): FolderMemory {
  return a === null || b.declaredMs > a.declaredMs ? b : a;
}

function prove(state: Wholeness): Wholeness {
  if (state.whole !== 'unproven' || state.agreeing.size + 1 < state.clusterSize) return state;
  return { ...state, whole: 'whole' };
}
