import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import { EntryLines, escapeBytes } from '../../../../src/cli/range-format.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** What a reader of the lines does: the escapes back to bytes. */
function unescapeBytes(text: string): Buffer {
  const pieces: Buffer[] = [];
  for (const [piece] of text.matchAll(/\\x[0-9a-f]{2}|\\.|[^\\]+/g)) {
    if (piece.startsWith('\\x')) {
      pieces.push(Buffer.from(piece.slice(2), 'hex'));
    } else if (piece.startsWith('\\')) {
      pieces.push(Buffer.from({ t: '\t', n: '\n', r: '\r' }[piece[1]] ?? piece[1]));
    } else {
      pieces.push(Buffer.from(piece));
    }
  }
  return Buffer.concat(pieces);
}

describe('escaping entries', () => {
  it('leaves text as it is', () => {
    assert.equal(escapeBytes(Buffer.from('key1 = Grüße 🌍')), 'key1 = Grüße 🌍');
    assert.equal(escapeBytes(bytes()), '');
  });

  it('escapes what would end a line or a column, command a terminal, or be lost', () => {
    assert.equal(
      escapeBytes(Buffer.from('a\tb\nc\rd\\e\0f\x1b[2J\x7f')),
      'a\\tb\\nc\\rd\\\\e\\x00f\\x1b[2J\\x7f',
    );
    assert.equal(escapeBytes(Buffer.from('\u009b')), '\\xc2\\x9b');
    assert.equal(escapeBytes(bytes(0xff, 0x61, 0xfe)), '\\xffa\\xfe');
    assert.equal(escapeBytes(Buffer.from('\ufeffa')), '\ufeffa');
  });

  it('can be undone, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }).map(Buffer.from)), (value) => {
        const line = escapeBytes(value);
        assert.doesNotMatch(line, /[\p{Cc}]/u);
        assert.deepEqual(unescapeBytes(line), Buffer.from(value));
      }),
    );
  });
});

describe('lines of entries', () => {
  it('come out the same wherever the stream is cut', () => {
    const packr = new Packr();
    const entry = fc.tuple(fc.uint8Array({ minLength: 1 }), fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (entries, cuts) => {
          const stream = Buffer.concat(
            entries.map(([key, value]) => packr.pack([Buffer.from(key), Buffer.from(value)])),
          );
          const offsets = cuts
            .map((cut) => (stream.length === 0 ? 0 : cut % stream.length))
            .sort((a, b) => a - b);
          const lines = new EntryLines();
          let text = '';
          for (const [index, start] of [0, ...offsets].entries()) {
            text += lines.push(stream.subarray(start, offsets[index] ?? stream.length));
          }
          assert.equal(
            text,
            entries.map(([key, value]) => `${escapeBytes(key)}\t${escapeBytes(value)}\n`).join(''),
          );
        },
      ),
    );
  });

  it('takes keys and values that were sent as text', () => {
    assert.equal(new EntryLines().push(new Packr().pack(['schlüssel', 'wert'])), 'schlüssel\twert\n');
  });
});
