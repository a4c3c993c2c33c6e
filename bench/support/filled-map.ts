/** A MapEngine that holds what `fill` writes: the same keys, versions and values. They are made here and not sent. */
import { RECORD_HEADER_BYTES, writeRecord } from '../../native-free-lsm/index.ts';
import { FILL_TIMESTAMP } from '../../src/cli/fill/tables.ts';
import { FillValues } from '../../src/cli/fill/values.ts';
import { MapEngine, type MapRecords } from '../cluster/map-engine.ts';

const SEED = 1;
/** Records are views of a few large blocks: a million buffers would measure something else. */
const BLOCK_BYTES = 64 * 1024 * 1024;
const NO_VALUE = new Uint8Array(0);

/** @param keys the N of key1 … keyN */
export function openFilledMap(keys: number, valueBytes: number): MapEngine {
  const records: MapRecords = new Map();
  const values = new FillValues(SEED);
  const fields = { timestamp: FILL_TIMESTAMP, writer: 0, tombstone: false, from: 3, expiryMs: 0 };
  const recordBytes = RECORD_HEADER_BYTES + valueBytes;
  let block = new Uint8Array(0);
  let at = 0;
  for (let number = 1; number <= keys; number++) {
    if (at + recordBytes > block.length) {
      block = new Uint8Array(Math.min(BLOCK_BYTES, (keys - number + 1) * recordBytes));
      at = 0;
    }
    values.write(number, valueBytes, block, writeRecord(block, at, fields, NO_VALUE));
    records.set(`key${number}`, block.subarray(at, at + recordBytes));
    at += recordBytes;
  }
  return new MapEngine(records);
}
