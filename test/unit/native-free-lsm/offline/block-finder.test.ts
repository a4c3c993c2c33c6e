import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { findBlocks } from '../../../../native-free-lsm/offline/block-finder.ts';
import { blocksOf, surveyTable } from '../../../../native-free-lsm/offline/table-survey.ts';
import {
  arbitraryEntries,
  arbitraryOptions,
  emptyFileSystem,
  numberedEntries,
  writeTable,
} from '../sstable/table-support.ts';

const FILE = '/db/000001.sst';

describe('finding blocks without an index', () => {
  test('finds those the index has, whatever is in them', () => {
    fc.assert(
      fc.property(arbitraryEntries, arbitraryOptions, (entries, options) => {
        const fs = emptyFileSystem();
        writeTable(fs, entries, options);
        const { index, layout, sizeBytes } = surveyTable(fs, FILE);
        const { blocks, gaps } = findBlocks(fs, fs.openReadSync(FILE), sizeBytes, layout!.dataBytes);
        assert.deepEqual([blocks, gaps], [blocksOf(index!), []]);
      }),
      { numRuns: 150 },
    );
  });

  for (const compression of ['none', 'lz4', 'zstd'] as const) {
    test(`goes on behind a damaged block, compression ${compression}`, () => {
      const fs = emptyFileSystem();
      writeTable(fs, numberedEntries(60, Buffer.from('compressible '.repeat(5))), { compression });
      const { index, layout, sizeBytes } = surveyTable(fs, FILE);
      const expected = blocksOf(index!);
      assert.ok(expected.length > 4);
      const whole = fs.contents(FILE);
      for (let at = expected[1].offset; at < expected[2].offset; at++) {
        const bytes = Uint8Array.from(whole);
        bytes[at] ^= 0x41;
        fs.place(FILE, bytes);
        const { blocks, gaps } = findBlocks(fs, fs.openReadSync(FILE), sizeBytes, layout!.dataBytes);
        assert.deepEqual(blocks, [expected[0], ...expected.slice(2)], `byte ${at}`);
        const { offset } = expected[1];
        assert.deepEqual(gaps, [{ offset, lengthBytes: expected[2].offset - offset }]);
      }
    });
  }

  test('ends soon with a block that is larger than the first look at it', () => {
    const fs = emptyFileSystem();
    writeTable(fs, numberedEntries(3, Buffer.alloc(300_000, 'x')));
    const { index, layout, sizeBytes } = surveyTable(fs, FILE);
    const { blocks } = findBlocks(fs, fs.openReadSync(FILE), sizeBytes, layout!.dataBytes);
    assert.deepEqual(blocks, blocksOf(index!));
  });

  test('finds nothing in what is no table', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
        const fs = emptyFileSystem();
        fs.place(FILE, bytes);
        const { blocks, gaps } = findBlocks(fs, fs.openReadSync(FILE), bytes.length, bytes.length);
        assert.deepEqual(blocks, []);
        assert.equal(gaps.length, bytes.length > 0 ? 1 : 0);
      }),
    );
  });
});
