/**
 * How many keys a fill has, and how the work is cut: into ranges of keys in byte order, each of which becomes one
 * table a node. Pure.
 */
import { QuorateError } from '../../errors.ts';
import { countForBytes, liveBytes } from './keys.ts';

export interface FillAmount {
  /** Keys and values a node is to hold on average. */
  readonly sizeBytes: number;
  readonly valueBytes: number;
  /** Nodes of the cluster, and on how many of them each key is. */
  readonly nodes: number;
  readonly from: number;
}

/** One task: the keys from `firstRank` to before `endRank`, counted in byte order. */
export interface FillRange {
  /** Of the tables it becomes: ids ascend with the keys. */
  readonly tableId: number;
  readonly firstRank: number;
  readonly endRank: number;
}

export interface FillPlan {
  /** key1 to keyN. */
  readonly keys: number;
  /** Keys and values of the whole cluster, every copy counted. */
  readonly liveBytes: number;
  /** About what a node's folder will take; on the safe side. */
  readonly diskBytesPerNode: number;
  readonly ranges: readonly FillRange[];
}

/** What counts the keys written is 32 bits wide. */
const MAX_KEYS = 2 ** 31 - 1;
/** Key, record header, lengths, checksums, and the key's share of index and filter, with something to spare. */
const ENTRY_OVERHEAD_BYTES = 48;

/** @param workers ranges are a multiple of it, so that none idles while another ends */
export function planFill(amount: FillAmount, targetFileBytes: number, workers: number): FillPlan {
  const { sizeBytes, valueBytes, nodes, from } = amount;
  const keys = countForBytes((sizeBytes * nodes) / from, valueBytes);
  if (keys > MAX_KEYS) {
    throw new QuorateError(
      'INVALID_CONFIG',
      `that would be ${keys} keys and at most ${MAX_KEYS} are possible: choose a smaller --size or a larger --value-size`,
    );
  }
  const diskBytesPerKey = valueBytes + ENTRY_OVERHEAD_BYTES;
  const diskBytesPerNode = Math.ceil((diskBytesPerKey * keys * from) / nodes);
  const tables = Math.ceil(diskBytesPerNode / targetFileBytes);
  return {
    keys,
    liveBytes: liveBytes(keys, valueBytes) * from,
    diskBytesPerNode,
    ranges: cut(keys, Math.ceil(tables / workers) * workers),
  };
}

function cut(keys: number, wanted: number): FillRange[] {
  const count = Math.min(keys, wanted);
  const startOf = (index: number): number => Math.floor((keys * index) / count);
  return Array.from({ length: count }, (_, index) => ({
    tableId: index + 1,
    firstRank: startOf(index),
    endRank: startOf(index + 1),
  }));
}
