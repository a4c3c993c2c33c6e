import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Assemblies } from '../../../../src/rpc/assembly.ts';

describe('assemblies', () => {
  it('put messages together whatever the sizes of their parts', () => {
    const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 2, maxLength: 10 });
    fc.assert(
      fc.property(parts, parts, (first, second) => {
        const assemblies = new Assemblies(1_000);
        const whole = (sent: Uint8Array[]) => Buffer.concat(sent);
        const done: Buffer[] = [];
        const offsets = [0, 0];
        for (let i = 0; i < Math.max(first.length, second.length); i++) {
          for (const [id, sent] of [first, second].entries()) {
            if (i >= sent.length) continue;
            const message = assemblies.add(id, whole(sent).length, offsets[id], sent[i]);
            offsets[id] += sent[i].length;
            if (message !== null) done.push(message);
          }
        }
        const hex = (messages: Buffer[]) => messages.map((message) => message.toString('hex')).sort();
        assert.deepEqual(hex(done), hex([whole(first), whole(second)]));
      }),
    );
  });

  it('refuse what no sender sends', () => {
    const part = Buffer.alloc(10);
    assert.throws(() => new Assemblies(99).add(1, 100, 0, part), { code: 'PROTOCOL' });
    assert.throws(() => new Assemblies(99).add(1, 10, 0, part), { code: 'PROTOCOL' });
    const assemblies = new Assemblies(100);
    assemblies.add(1, 100, 0, part);
    assemblies.add(2, 100, 0, part);
    assert.throws(() => assemblies.add(3, 100, 0, part), { code: 'PROTOCOL' });
    assert.throws(() => assemblies.add(1, 100, 20, part), { code: 'PROTOCOL' });
    assert.throws(() => assemblies.add(1, 90, 10, part), { code: 'PROTOCOL' });
  });

  it('pass over the rest of a message that was dropped', () => {
    const assemblies = new Assemblies(100);
    assemblies.add(1, 30, 0, Buffer.alloc(10));
    assert.equal(assemblies.has(1), true);
    assemblies.drop(1);
    assert.equal(assemblies.has(1), false);
    assert.equal(assemblies.add(1, 30, 10, Buffer.alloc(10)), null);
    assert.equal(assemblies.add(1, 30, 20, Buffer.alloc(10)), null);
  });
});
