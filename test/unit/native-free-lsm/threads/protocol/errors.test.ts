import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ioFailure } from '../../../../../native-free-lsm/fs/io-failure.ts';
import { fileSystemError } from '../../../../../native-free-lsm/simulation/index.ts';
import { decodeError, encodeError } from '../../../../../native-free-lsm/threads/protocol/errors.ts';

test('an error keeps, from one thread to another, what the system said', () => {
  const error = ioFailure('read', '/db/1.sst', fileSystemError('EIO', 'read', '/db/1.sst'));
  const { code, file, message, systemCode } = decodeError(encodeError(error));
  assert.deepEqual(
    { code, file, message, systemCode },
    { code: 'IO_ERROR', file: '/db/1.sst', message: error.message, systemCode: 'EIO' },
  );
});
