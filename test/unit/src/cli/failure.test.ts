import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LsmError } from '../../../../native-free-lsm/index.ts';
import { CommandError, ExitCode } from '../../../../src/cli/exit-codes.ts';
import { describeFailure } from '../../../../src/cli/failure.ts';
import { QuorateError } from '../../../../src/errors.ts';

describe('what people are told of an error', () => {
  it('is its sentence when it is one of the project', () => {
    assert.equal(
      describeFailure(new QuorateError('ADDRESS_IN_USE', 'the port is in use')),
      'the port is in use',
    );
    assert.equal(describeFailure(new LsmError('LOCKED', 'the folder is locked')), 'the folder is locked');
    assert.equal(describeFailure(new CommandError(ExitCode.notFound, 'no such key')), 'no such key');
  });

  it('is its stack when it is a fault of the program', () => {
    assert.match(describeFailure(new TypeError('x is undefined')), /^TypeError: x is undefined\n +at /);
  });

  it('is the thing itself when something else was thrown', () => {
    assert.equal(describeFailure('a word'), 'a word');
  });
});
