import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FailureCode, mayPass } from '../../../../src/failure.ts';
import {
  failureOf,
  keyOf,
  kindName,
  kindOf,
  MAX_TARGET_KEY_BYTES,
  statusOf,
  targetOf,
  timeoutOf,
  versionKeyOf,
  versionTargetOf,
} from '../../../../src/peer-http/wire.ts';
import { ReplyKind } from '../../../../src/reply.ts';

describe('HTTP between nodes, as it is written', () => {
  it('carries any key, and takes no target for another key than was meant', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(bytes, (key) => {
        const target = targetOf(key);
        assert.match(target, /^\/v0\/replica\?key=[\w-]+$/);
        assert.deepEqual(keyOf(target), Buffer.from(key));
        assert.deepEqual(versionKeyOf(versionTargetOf(key)), Buffer.from(key));
        assert.equal(keyOf(versionTargetOf(key)), null);
        assert.equal(versionKeyOf(target), null);
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (text) => {
        const key = keyOf(`/v0/replica?key=${text}`);
        if (key !== null) assert.equal(targetOf(key), `/v0/replica?key=${text}`);
      }),
    );
    assert.ok(targetOf(new Uint8Array(MAX_TARGET_KEY_BYTES)).length < 12 * 1024);
    for (const target of ['/v0/replica', '/v0/replica?key=', '/v0/replica?id=YQ', 'x/v0/replica?key=YQ'])
      assert.equal(keyOf(target), null, target);
  });

  it('names every kind of reply, and knows it again', () => {
    for (const kind of Object.values(ReplyKind)) assert.equal(kindOf(kindName(kind)), kind);
    for (const name of ['OK', '', 'toString', undefined, ['ok']]) assert.equal(kindOf(name), undefined);
  });

  it('tells by the status whether a failure may pass', () => {
    for (const code of [...Object.values(FailureCode), 77, 200]) {
      if (code === FailureCode.none) continue;
      assert.equal(statusOf(ReplyKind.failed, code, true), mayPass(code) ? 503 : 500);
      assert.equal(failureOf(`${code}`), code);
    }
    for (const header of ['0', '256', '-1', '1.5', '1e2', ' 7', '', undefined, ['7']])
      assert.equal(failureOf(header), undefined, String(header));
  });

  it('has times in whole milliseconds of 32 bits', () => {
    assert.deepEqual(
      ['0', '1000', '4294967295'].map((header) => timeoutOf(header)),
      [0, 1_000, 4_294_967_295],
    );
    for (const header of ['4294967296', '99999999999', '-1', '1.5', 'NaN', '', undefined])
      assert.equal(timeoutOf(header), undefined, String(header));
  });
});
