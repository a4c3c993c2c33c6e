/**
 * Decides how many keys a fill has and cuts the work into ranges of keys in byte order. Each range becomes one table
 * per node. Pure.
 */
import { QuorateError } from '../../errors.ts';
import { countForBytes, liveBytes } from './keys.ts';

interface FillAmount {
  /** The bytes of keys and values that a node holds on average. */
  readonly sizeBytes: number;
  readonly valueBytes: number;
  /** The number of nodes in the cluster, and how many of them hold each key. */
  readonly nodes: number;
  readonly from: number;
}

/** One task: the keys from `firstRank` to before `endRank`, counted in byte order. */
export interface FillRange {
  /** The id of the table that it becomes; ids ascend with the keys. */
  readonly tableId: number;
  readonly firstRank: number;
  readonly endRank: number;
}

export interface FillPlan {
  /** The N of the last key: the keys are key1 to keyN. */
  readonly keys: number;
  /** Bytes of keys and values in the whole cluster, counting every copy. */
  readonly liveBytes: number;
  /** An estimate of what a node's folder takes, rather too large than too small. */
  readonly diskBytesPerNode: number;
  readonly ranges: readonly FillRange[];
}

/** The counter of written keys is 32 bits wide. */
const MAX_KEYS = 2 ** 31 - 1;
/**
 * A generous allowance for the length of the key, the record header, lengths, checksums, and the key's share of index
 * and filter.
 */
const ENTRY_OVERHEAD_BYTES = 48;

/** @param workers the number of ranges is a multiple of it, so that no worker idles while another ends */
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
