import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recordFrom, recordTimestamp, recordValueStart } from '../../../../../native-free-lsm/index.ts';
import { MemoryFileSystem } from '../../../../../native-free-lsm/simulation/index.ts';
import { loadTable } from '../../../../../native-free-lsm/sstable/load-table.ts';
import { TableReader } from '../../../../../native-free-lsm/sstable/table-reader.ts';
import {
  FILL_TIMESTAMP,
  FILL_WORDS,
  FillCancelled,
  type FillJob,
  FillTables,
  FillWord,
} from '../../../../../src/cli/fill/tables.ts';
import { fillValue } from '../../../../../src/cli/fill/values.ts';
import { Placement } from '../../../../../src/cluster/placement.ts';
import { slotOf } from '../../../../../src/cluster/slots.ts';
import { HASH_SEED } from '../../../../support/hash-flood.ts';

const KEYS = 3_000;
const NODES = ['a', 'b', 'c', 'd'].map((id, index) => ({ id, zone: `zone-${index % 2}`, weight: 1 }));
const directoryOf = (node: number): string => `/${NODES[node].id}`;

function jobFor(from: number, groups: readonly (readonly number[])[]): FillJob {
  return {
    keys: KEYS,
    valueBytes: 50,
    seed: 3,
    from,
    nodes: NODES,
    policy: 'spread',
    groups: groups.map((members) => ({ members, directories: members.map(directoryOf) })),
    hashSeed: HASH_SEED,
    fingerprintSeed: HASH_SEED,
    control: new SharedArrayBuffer(FILL_WORDS * 4),
  };
}

function fileSystem(): MemoryFileSystem {
  const fs = new MemoryFileSystem();
  for (const node of NODES.keys()) fs.makeDirectorySync(directoryOf(node));
  return fs;
}

/** Key numbers in each of a node's tables; checks every record on the way. */
function filledKeys(job: FillJob): number[][] {
  const fs = fileSystem();
  const tables = new FillTables(fs, job);
  const ranges = [0, 1_000, 1_001].map((firstRank, i) => ({
    tableId: i + 1,
    firstRank,
    endRank: [1_000, 1_001, KEYS][i],
  }));
  const found: number[][] = NODES.map(() => []);
  for (const range of ranges) {
    for (const [group, metadata] of tables.write(range).entries()) {
      if (metadata === null) continue;
      for (const node of job.groups[group].members) {
        const handle = loadTable(fs, directoryOf(node), metadata);
        const fd = fs.openReadSync(handle.path);
        const records = new TableReader(handle).iterator(fs, fd, 4096);
        for (records.seekToFirst(); records.valid; records.next()) {
          const { keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd } = records;
          const number = Number(Buffer.from(keyBytes.subarray(keyStart + 3, keyEnd)).toString());
          found[node].push(number);
          assert.deepEqual(
            [recordTimestamp(recordBytes, recordStart), recordFrom(recordBytes, recordStart)],
            [FILL_TIMESTAMP, job.from],
          );
          const value = recordBytes.subarray(recordValueStart(recordBytes, recordStart), recordEnd);
          assert.deepEqual(Buffer.from(value), Buffer.from(fillValue(job.seed, number, job.valueBytes)));
        }
        fs.closeSync(fd);
      }
    }
  }
  return found.map((numbers) => numbers.sort((a, b) => a - b));
}

/** The keys that placement gives a node. */
function placedKeys(from: number, node: number): number[] {
  const placement = new Placement(NODES, 'spread');
  return Array.from({ length: KEYS }, (_, i) => i + 1).filter((number) => {
    const list = placement.listOffset(slotOf(Buffer.from(`key${number}`)));
    return placement.lists.subarray(list, list + from).includes(node);
  });
}

describe('the tables of a fill', () => {
  it('hold each key on the first nodes of its preference list', () => {
    for (const from of [1, 3]) {
      const found = filledKeys(jobFor(from, [[0], [1], [2], [3]]));
      for (const node of NODES.keys()) assert.deepEqual(found[node], placedKeys(from, node));
    }
  });

  it('hold what one node has when only that one is filled', () => {
    const found = filledKeys(jobFor(2, [[2]]));
    assert.deepEqual(found, [[], [], placedKeys(2, 2), []]);
  });

  it('are the same on every node when each has every key', () => {
    const everything = Array.from({ length: KEYS }, (_, i) => i + 1);
    assert.deepEqual(filledKeys(jobFor(4, [[0, 1, 2, 3]])), [everything, everything, everything, everything]);
  });

  it('count their keys as they go', () => {
    const job = jobFor(4, [[0]]);
    new FillTables(fileSystem(), job).write({ tableId: 1, firstRank: 0, endRank: 2_500 });
    assert.equal(new Int32Array(job.control)[FillWord.keysDone], 2_048);
  });

  it('are given up when the fill is cancelled', () => {
    const job = jobFor(4, [[0]]);
    const fs = fileSystem();
    new Int32Array(job.control)[FillWord.cancelled] = 1;
    assert.throws(
      () => new FillTables(fs, job).write({ tableId: 1, firstRank: 0, endRank: KEYS }),
      FillCancelled,
    );
    assert.deepEqual(fs.listSync('/a'), []);
  });
});
