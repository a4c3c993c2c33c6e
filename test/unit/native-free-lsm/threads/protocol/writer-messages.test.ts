import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LsmError } from '../../../../../native-free-lsm/errors.ts';
import { OperationCursor } from '../../../../../native-free-lsm/log/write-operation.ts';
import {
  COMPLETION_BYTES,
  Completion,
  decodeCompletion,
  decodeFailing,
  decodeGeneration,
  encodeCompletion,
  encodeFailing,
  encodeGeneration,
  encodeWriterWake,
  errorOfWriteCode,
  GENERATION_BYTES,
  WRITER_WAKE_BYTES,
  WriteCode,
  writeCodeOf,
} from '../../../../../native-free-lsm/threads/protocol/writer-messages.ts';

const uint32 = fc.nat({ max: 0xffff_ffff });

test('completions come through, one behind another', () => {
  const one = fc.record({
    tag: uint32,
    code: fc.constantFrom(...Object.values(WriteCode)),
    metTimestamp: fc.maxSafeNat(),
    metWriter: uint32,
  });
  const completion = new Completion();
  fc.assert(
    fc.property(fc.array(one), (completions) => {
      const bytes = Buffer.alloc(completions.length * COMPLETION_BYTES, 0xaa);
      for (const [i, { tag, code, metTimestamp, metWriter }] of completions.entries())
        encodeCompletion(bytes, i * COMPLETION_BYTES, tag, code, metTimestamp, metWriter);
      for (const [i, expected] of completions.entries()) {
        decodeCompletion(bytes, i * COMPLETION_BYTES, completion);
        assert.deepEqual({ ...completion }, { ...expected });
      }
    }),
  );
});

test('generations come through', () => {
  const bytes = Buffer.alloc(GENERATION_BYTES + 2);
  for (const generation of [0, 1, 0xffff_ffff]) {
    encodeGeneration(bytes, 1, generation);
    assert.equal(decodeGeneration(bytes, 1), generation);
  }
});

test('whether writes fail comes through', () => {
  const error = new LsmError('NO_SPACE', 'the disk is full');
  for (const told of [error, undefined]) {
    const body = Buffer.concat([Buffer.from('x'), encodeFailing(told), Buffer.from('y')]);
    const decoded = decodeFailing(body, 1, body.length - 1);
    assert.equal(decoded?.code, told?.code);
    assert.equal(decoded?.message, told?.message);
  }
});

test('a wake is an operation without puts', () => {
  const bytes = Buffer.alloc(WRITER_WAKE_BYTES, 0xaa);
  encodeWriterWake(bytes, 0);
  const cursor = new OperationCursor();
  cursor.reset(bytes, 0, bytes.length);
  assert.equal(cursor.next(), false);
});

test('what made a write fail is told by an error of the same kind', () => {
  for (const code of ['OVERLOADED', 'NO_SPACE', 'POISONED', 'IO_ERROR', 'CORRUPTION', 'READ_ONLY'] as const)
    assert.equal(errorOfWriteCode(writeCodeOf(new LsmError(code, 'why'))).code, code);
  assert.equal(errorOfWriteCode(WriteCode.expired).code, 'OVERLOADED');
  // What has no code of its own, and a code of nobody's.
  assert.equal(errorOfWriteCode(writeCodeOf(new LsmError('LOCKED', 'why'))).code, 'IO_ERROR');
  assert.equal(errorOfWriteCode(99).code, 'IO_ERROR');
});
