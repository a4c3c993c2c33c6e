import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadOperation, OperationMix, sharesOf } from '../../../../../src/cli/load/operation-mix.ts';
import { divide } from '../../../../../src/cli/load/plan.ts';
import { RequestWriter } from '../../../../../src/cli/load/request-writer.ts';
import { seededRandom } from '../../../../../src/clock.ts';
import { loadPlan } from '../../../../support/load-plan.ts';

const PLAN = loadPlan({
  targets: [
    { host: '127.0.0.1', port: 80 },
    { host: '::1', port: 81 },
  ],
  connections: 4,
  keys: 10,
  maxScanEntries: 1,
});

test('a mix has the shares that it was given', () => {
  const mix = new OperationMix(sharesOf({ get: 6, put: 3, delete: 1 }), seededRandom(9));
  const found = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 100_000; i++) found[mix.next()]++;
  for (const [operation, share] of [0.6, 0.3, 0.1, 0, 0, 0].entries())
    assert.ok(Math.abs(found[operation] / 100_000 - share) < 0.01, `${found}`);
  const only = new OperationMix(sharesOf({ readModifyWrite: 5 }), seededRandom(9));
  for (let i = 0; i < 100; i++) assert.equal(only.next(), LoadOperation.readModifyWrite);
});

test('requests are what HTTP and the API want', () => {
  const writer = new RequestWriter({ ...PLAN, ack: 2, from: 3 }, seededRandom(1));
  assert.deepEqual(writer.write(LoadOperation.get, 0, 6), {
    head: 'GET /v0/entity?id=key7&ack=2&from=3 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n',
    body: null,
  });
  const linearizable = new RequestWriter({ ...PLAN, ack: 2, consistency: 'linearizable' }, seededRandom(1));
  for (const operation of [LoadOperation.get, LoadOperation.put, LoadOperation.delete])
    assert.match(
      linearizable.write(operation, 0, 6).head,
      /^[A-Z]+ \/v0\/entity\?id=key7&ack=2&consistency=linearizable HTTP/,
    );
  assert.deepEqual(writer.write(LoadOperation.delete, 1, 0), {
    head: 'DELETE /v0/entity?id=key1&ack=2&from=3 HTTP/1.1\r\nHost: [::1]:81\r\n\r\n',
    body: null,
  });
  const put = writer.write(LoadOperation.put, 0, 0).head;
  const [, length, value] = /Content-Length: (\d)\r\n\r\n(value\d+)$/.exec(put) ?? [];
  assert.equal(Number(length), value.length, put);
});

test('a scan names its end by keys that sort as their numbers do', () => {
  const writer = new RequestWriter({ ...PLAN, keyDigits: 4, maxScanEntries: 1 }, seededRandom(1));
  assert.match(
    writer.write(LoadOperation.scan, 0, 8).head,
    /^GET \/v0\/entities\?start=key0009&end=key0010 /,
  );
});

test('values have the size that is asked for, and differ', () => {
  for (const valueBytes of [1, 4096, 4097, 100_000]) {
    const writer = new RequestWriter({ ...PLAN, valueBytes }, seededRandom(1));
    const values = [0, 1].map(() => {
      const { body, head } = writer.write(LoadOperation.put, 0, 0);
      assert.match(head, new RegExp(`Content-Length: ${valueBytes}\r\n`));
      return body ?? Buffer.from(head.slice(head.indexOf('\r\n\r\n') + 4), 'latin1');
    });
    for (const value of values) assert.equal(value.length, valueBytes);
    if (valueBytes > 1) assert.ok(!values[0].equals(values[1]));
  }
});

test('threads divide connections and rate to the last of them', () => {
  for (const [connections, threads] of [
    [7, 3],
    [64, 4],
    [5, 5],
  ]) {
    const parts = divide({ ...PLAN, connections, threads, ratePerSecond: 100 });
    assert.equal(
      parts.reduce((sum, part) => sum + part.connections, 0),
      connections,
    );
    const rate = parts.reduce((sum, part) => sum + part.ratePerSecond, 0);
    assert.ok(Math.abs(rate - 100) < 1e-9, `${rate}`);
    assert.ok(parts.every((part) => part.connections > 0));
  }
});
