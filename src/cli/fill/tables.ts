/** The work of a fill's threads: making the keys and values of a range and writing them as tables. */
import {
  BulkTable,
  DEFAULT_OPTIONS,
  type FileSystem,
  type HashSeed,
  RECORD_HEADER_BYTES,
  type TableMetadata,
  TIMESTAMPS_PER_MS,
  writeRecord,
} from '../../../native-free-lsm/index.ts';
import { Placement, type PlacementNode, type PlacementPolicy } from '../../cluster/placement.ts';
import { slotOf } from '../../cluster/slots.ts';
import { NODE_TABLES } from '../../node/table-options.ts';
import { KeyWalk } from './keys.ts';
import type { FillRange } from './plan.ts';
import { FillValues, mix } from './values.ts';

/** Nodes that hold the same keys, and so get the same tables. */
export interface FillGroup {
  /** Indexes in `FillJob.nodes`. */
  readonly members: readonly number[];
  /** The data folders of their engines. */
  readonly directories: readonly string[];
}

/** Plain data: it is posted to the threads. */
export interface FillJob {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seed: number;
  readonly from: number;
  /** All nodes of the cluster, whether they are filled or not. */
  readonly nodes: readonly PlacementNode[];
  readonly policy: PlacementPolicy;
  readonly groups: readonly FillGroup[];
  /** The seed of the engines' hashes. It is secret, so it must not follow from `seed`. */
  readonly hashSeed: HashSeed;
  /** The cluster's. */
  readonly fingerprintSeed: HashSeed;
  /** Int32 words; `FillWord` names them. */
  readonly control: SharedArrayBuffer;
}

export const FillWord = { keysDone: 0, cancelled: 1 } as const;
export const FILL_WORDS = 2;

/**
 * The timestamp of every record: the first of the first millisecond. So everything written later, or written before to
 * another node of the cluster, is newer and wins over test data.
 */
export const FILL_TIMESTAMP = TIMESTAMPS_PER_MS;

/** How many keys are made between two looks at the control words. */
const STRIDE = 1024;
const NO_VALUE = new Uint8Array(0);

/** Thrown when the fill is to stop early. */
export class FillCancelled extends Error {
  override readonly name = 'FillCancelled';
}

export class FillTables {
  readonly #fs: FileSystem;
  readonly #job: FillJob;
  readonly #control: Int32Array;
  readonly #values: FillValues;
  /** Undefined when every node has every key. */
  readonly #placement: Placement | undefined;
  /** Indexed by node; -1 for a node that is not filled. */
  readonly #groupOfNode: Int32Array;
  readonly #record: Uint8Array;
  #tables: (BulkTable | null)[] = [];

  constructor(fs: FileSystem, job: FillJob) {
    this.#fs = fs;
    this.#job = job;
    this.#control = new Int32Array(job.control);
    this.#values = new FillValues(job.seed);
    this.#placement = job.from === job.nodes.length ? undefined : new Placement(job.nodes, job.policy);
    this.#groupOfNode = new Int32Array(job.nodes.length).fill(-1);
    job.groups.forEach(({ members }, group) => {
      for (const node of members) this.#groupOfNode[node] = group;
    });
    this.#record = new Uint8Array(RECORD_HEADER_BYTES + job.valueBytes);
    // The writer id follows from seed and value size, so equal data has equal versions wherever and whenever it was
    // filled, and other data has other versions.
    const writer = mix(job.seed, job.valueBytes);
    const fields = { timestamp: FILL_TIMESTAMP, writer, tombstone: false, from: job.from, expiryMs: 0 };
    writeRecord(this.#record, 0, fields, NO_VALUE);
  }

  /**
   * @returns the table of each group, or null where it has no key of the range
   * @throws LsmError NO_SPACE, IO_ERROR; FillCancelled. What is left then are files of an unfinished fill
   */
  write(range: FillRange): (TableMetadata | null)[] {
    const { groups, keys, valueBytes } = this.#job;
    this.#tables = groups.map(() => null);
    this.#tick(0);
    try {
      const walk = new KeyWalk(keys, range.firstRank);
      for (let rank = range.firstRank; ; walk.next()) {
        this.#values.write(walk.number, valueBytes, this.#record, RECORD_HEADER_BYTES);
        this.#add(walk, range.tableId);
        rank++;
        if (rank % STRIDE === 0) this.#tick(STRIDE);
        if (rank === range.endRank) break;
      }
      return this.#tables.map((table) => table?.finish() ?? null);
    } finally {
      for (const table of this.#tables) table?.[Symbol.dispose]();
    }
  }

  #add(walk: KeyWalk, tableId: number): void {
    const placement = this.#placement;
    if (placement === undefined) {
      for (let group = 0; group < this.#tables.length; group++) this.#addTo(group, walk, tableId);
      return;
    }
    const list = placement.listOffset(slotOf(walk.bytes.subarray(0, walk.end)));
    for (let i = 0; i < this.#job.from; i++) {
      const group = this.#groupOfNode[placement.lists[list + i]];
      if (group >= 0) this.#addTo(group, walk, tableId);
    }
  }

  #addTo(group: number, walk: KeyWalk, tableId: number): void {
    let table = this.#tables[group];
    if (table === null) {
      const { fingerprintSeed, groups, hashSeed } = this.#job;
      const options = { ...DEFAULT_OPTIONS, ...NODE_TABLES, fingerprintSeed };
      table = new BulkTable(this.#fs, groups[group].directories, tableId, options, hashSeed);
      this.#tables[group] = table;
    }
    table.add(walk.bytes, 0, walk.end, this.#record, 0, this.#record.length);
  }

  #tick(keys: number): void {
    // One word is a figure to show, the other a wish to stop: nothing is ordered by either.
    Atomics.add(this.#control, FillWord.keysDone, keys);
    if (Atomics.load(this.#control, FillWord.cancelled) !== 0) throw new FillCancelled();
  }
}
