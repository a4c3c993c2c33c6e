import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FRAME_ALIGNMENT_BYTES,
  frameBytes,
  frameLength,
  frameTag,
  nextFrame,
  payloadStart,
  writeFrameHeader,
} from '../../../../native-free-lsm/format/frame.ts';

test('a frame is drawn as its format says', () => {
  const bytes = new Uint8Array(frameBytes(3));
  writeFrameHeader(bytes, 0, 3, 0x0102_0304);
  bytes.fill(0xaa, payloadStart(0), payloadStart(0) + 3);
  assert.equal(Buffer.from(bytes).toString('hex'), '0300000004030201aaaaaa0000000000');
});

test('frames written one behind another are walked', () => {
  const frames = fc.array(
    fc.record({ payloadBytes: fc.nat(40), tag: fc.nat(0xffff_ffff) }, { noNullPrototype: true }),
  );
  fc.assert(
    fc.property(frames, (written) => {
      const end = written.reduce((sum, { payloadBytes }) => sum + frameBytes(payloadBytes), 0);
      const bytes = new Uint8Array(end);
      let at = 0;
      for (const { payloadBytes, tag } of written) {
        writeFrameHeader(bytes, at, payloadBytes, tag);
        at += frameBytes(payloadBytes);
      }
      const walked = [];
      for (at = 0; at < end; at = nextFrame(bytes, at)) {
        assert.equal(at % FRAME_ALIGNMENT_BYTES, 0);
        walked.push({ payloadBytes: frameLength(bytes, at), tag: frameTag(bytes, at) });
      }
      assert.deepEqual(walked, written);
    }),
  );
});
