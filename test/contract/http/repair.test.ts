import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Harness } from './harness.ts';

function post(target: string, method = 'POST', ...headers: string[]): string {
  return `${[`${method} ${target} HTTP/1.1`, 'Host: test', ...headers].join('\r\n')}\r\n\r\n`;
}

test('a repair is begun for all slots, or for some; other requests are told what is wrong', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  for (const [target, slots] of [
    ['/v0/repair', '0..65535'],
    ['/v0/repair?slots=7', '7..7'],
    ['/v0/repair?slots=8192..16383', '8192..16383'],
  ]) {
    client.send(post(target));
    const { status, body } = await client.answer();
    assert.deepEqual([status, JSON.parse(body.toString())], [202, { repair: harness.repaired.length }]);
    assert.equal(harness.repaired.at(-1), slots);
  }
  for (const slots of ['', 'x', '9..8', '0..65536', '-1', '1..2..3', '1&slots=2']) {
    client.send(post(`/v0/repair?slots=${slots}`));
    const { status, body } = await client.answer();
    assert.equal(status, 400);
    assert.match(body.toString(), /"slots"/);
  }
  client.send(post('/v0/repair?slot=7'));
  const { status, body } = await client.answer();
  assert.equal(status, 400, 'a misspelt parameter does not begin a repair of all slots');
  assert.match(body.toString(), /no query parameter "[^"]+" here: there are slots\. /);
  client.send(post('/v0/repair', 'GET'));
  assert.equal((await client.answer()).status, 405);
  client.send(post('/v0/repair', 'POST', 'Origin: http://elsewhere'));
  assert.equal((await client.answer()).status, 403);
  assert.equal(harness.repaired.length, 3);
});
