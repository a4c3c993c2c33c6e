/**
 * The history of a data folder, by which a folder is noticed that was put back to an older copy. Pure.
 *
 * A copy looks like the folder that it was taken from: nothing in it says that there was more later. So the folder
 * keeps its `progress`, a number that only rises (with every start, and while the node takes writes), and a list of its
 * starts. Each start has a random number, and the progress that the folder had then. Peers remember the last start that
 * they were told of, and its progress.
 *
 * A folder that was put back does not contain what a peer remembers: it was started again before it got there, so its
 * list has another start in that place, however far its progress has come since.
 */
export interface FolderStart {
  /** 32 random bits, not 0. */
  readonly id: number;
  /** The folder's progress when this start was recorded; everything that the start before it reached is lower. */
  readonly from: number;
}

export interface FolderHistory {
  readonly progress: number;
  /** In order of time. */
  readonly starts: readonly FolderStart[];
}

/** What a node tells its peers of its folder while they are connected. */
export interface ToldFolder {
  readonly history: FolderHistory;
  /** See `FolderMemory`. */
  readonly declaredMs: number;
}

/** What a node remembers of a peer's folder. */
export interface FolderMemory {
  readonly incarnation: string;
  /** 0: the folder had not been started. */
  readonly startId: number;
  /** The highest progress that was told during that start. */
  readonly progress: number;
  /**
   * When someone last declared the folder whole, or its node declared that something is missing from it, in ms since
   * the Unix epoch; 0: nobody did.
   */
  readonly declaredMs: number;
}

/** When a peer was away for more starts than this, only the numbers are compared. */
export const MAX_STARTS = 64;

/** @param startId 32 random bits, not 0 */
export function withStart({ progress, starts }: FolderHistory, startId: number): FolderHistory {
  const start = { id: startId, from: progress + 1 };
  return { progress: start.from, starts: [...starts, start].slice(-MAX_STARTS) };
}

/** The same history, with its progress one higher. */
export function advanced({ progress, starts }: FolderHistory): FolderHistory {
  return { progress: progress + 1, starts };
}

export function lastStartId({ starts }: FolderHistory): number {
  return starts.at(-1)?.id ?? 0;
}

/** Whether a folder with this history contains what `memory`, of the same incarnation, knows of. */
export function reaches({ progress, starts }: FolderHistory, memory: FolderMemory): boolean {
  if (memory.startId === 0) return true;
  const at = starts.findLastIndex(({ id }) => id === memory.startId);
  // The start is so old that the list has dropped it, or it belongs to another past than this folder's.
  if (at < 0) return starts.length > 0 && memory.progress < starts[0].from;
  const reached = at + 1 < starts.length ? starts[at + 1].from - 1 : progress;
  return memory.progress <= reached;
}
