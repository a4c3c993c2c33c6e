import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fingerprinter } from '../../../../native-free-lsm/format/fingerprint.ts';
import { readUint32 } from '../../../../native-free-lsm/format/integers.ts';
import { SlotSectionBuilder } from '../../../../native-free-lsm/sstable/slot-section-builder.ts';
import {
  CLASS_BYTES,
  headBytes,
  indexBytes,
  PIECE_ENTRY_BYTES,
  readHead,
  rowBytes,
} from '../../../../native-free-lsm/sstable/slot-section-format.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';
import { numberedEntries } from './table-support.ts';

/** The fingerprints of a section in its order, in hexadecimal digits, so that they sort as numbers do. */
function fingerprintsOf(section: Uint8Array): string[] {
  const head = readHead(section, { offset: 0, lengthBytes: section.length }, 'the section');
  const fingerprints: string[] = [];
  const entriesAt = headBytes(head) + head.classes * CLASS_BYTES;
  let at = headBytes(head) + indexBytes(head);
  for (let piece = 0; piece < head.pieces; piece++) {
    const entry = readUint32(section, entriesAt + piece * PIECE_ENTRY_BYTES);
    for (let row = 0; row < entry >>> 16; row++) {
      const slot = (entry & 0xffff) + section[at];
      const high = slot * 65_536 + section[at + 1] + section[at + 2] * 256;
      fingerprints.push(hex(high, readUint32(section, at + 3)));
      at += rowBytes(head);
    }
  }
  return fingerprints;
}

function hex(high: number, low: number): string {
  return [high, low].map((word) => word.toString(16).padStart(8, '0')).join('');
}

test('the rows are in the order of their fingerprints, of few rows as of very many', () => {
  const fingerprinter = new Fingerprinter(HASH_SEED);
  for (const rows of [0, 1, 2, 300, 16_383, 16_384, 40_000]) {
    const builder = new SlotSectionBuilder(HASH_SEED);
    const expected: string[] = [];
    for (const { key, record } of numberedEntries(rows)) {
      builder.add(key, 0, key.length, record, 0, 0);
      fingerprinter.take(key, 0, key.length);
      expected.push(hex(fingerprinter.high >>> 0, fingerprinter.low >>> 0));
    }
    assert.deepEqual(fingerprintsOf(builder.finish()), expected.sort(), `${rows} rows`);
  }
});
