/**
 * What can be told of a data folder's past, so that one put back to an older copy is noticed. Pure.
 *
 * A copy looks like the folder it was taken from: nothing in it says that there was more. So the folder keeps its
 * `progress`, a number that only rises (with every start, and while the node takes writes), and a list of its starts,
 * each with a number drawn at random and the progress from which it went on. Peers remember the last start they were
 * told of, and its progress. A folder put back does not reach what a peer remembers: it was started again before it
 * got there, and then its list has another start in that place, whatever its progress has become since.
 */
export interface FolderStart {
  /** 32 random bits, not 0. */
  readonly id: number;
  /** The folder's progress when this start was recorded; what the start before it reached lies below. */
  readonly from: number;
}

export interface FolderHistory {
  readonly progress: number;
  /** The latest last. */
  readonly starts: readonly FolderStart[];
}

/** What a node remembers of a peer's folder. */
export interface FolderMemory {
  readonly incarnation: string;
  /** 0: it had not been started. */
  readonly startId: number;
  /** The highest told by that start. */
  readonly progress: number;
  /** When someone last vouched for the folder, in ms since the Unix epoch; 0: nobody did. */
  readonly declaredMs: number;
}

/** A peer that was away for more starts than this is believed as far as the numbers go. */
export const MAX_STARTS = 64;

/** @param startId 32 random bits, not 0 */
export function withStart({ progress, starts }: FolderHistory, startId: number): FolderHistory {
  const start = { id: startId, from: progress + 1 };
  return { progress: start.from, starts: [...starts, start].slice(-MAX_STARTS) };
}

/** The same, one further. */
export function advanced({ progress, starts }: FolderHistory): FolderHistory {
  return { progress: progress + 1, starts };
}

export function lastStartId({ starts }: FolderHistory): number {
  return starts.at(-1)?.id ?? 0;
}

/** Whether a folder with this history holds what `memory`, of the same incarnation, knows of. */
export function reaches({ progress, starts }: FolderHistory, memory: FolderMemory): boolean {
  if (memory.startId === 0) return true;
  const at = starts.findLastIndex(({ id }) => id === memory.startId);
  // Not in the list: either so long ago that the list has let go of it, or of a past that is not this folder's.
  if (at < 0) return starts.length > 0 && memory.progress < starts[0].from;
  const reached = at + 1 < starts.length ? starts[at + 1].from - 1 : progress;
  return memory.progress <= reached;
}
