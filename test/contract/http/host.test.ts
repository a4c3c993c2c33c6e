/** Which clients a node lets in, by the name that they used for it and by the page that they come from. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HostCheck } from '../../../src/http/host-check.ts';
import { Harness } from './harness.ts';

const TARGET = '/v0/entity?id=k';

async function statusOf(headers: readonly string[], target = TARGET, version = '1.1'): Promise<number> {
  await using harness = await Harness.start({ allowedHosts: ['db.example', 'DB-2.Example.'] });
  using client = await harness.connect();
  client.send(`GET ${target} HTTP/${version}\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`);
  const { status } = await client.answer();
  const called = harness.entities.calls.length > 0;
  assert.equal(called, status === 404, `${status}, and the service was ${called ? '' : 'not '}called`);
  return status;
}

/** The answer of a service that does not have the key. */
const SERVED = 404;

describe('Host', () => {
  const own = [
    '127.0.0.1',
    '127.0.0.1:19234',
    'localhost',
    'LocalHost:80',
    'localhost.',
    '[::1]:8080',
    '[0:0:0:0:0:0:0:1]',
    '127.0.0.2',
    'db.example',
    'DB.EXAMPLE.:1',
    'db-2.example',
    'app.localhost',
  ];
  for (const host of own) {
    it(`${host} is the node's own`, async () => assert.equal(await statusOf([`Host: ${host}`]), SERVED));
  }

  const foreign = [
    'evil.example',
    'evil.example:19234',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '[::2]',
    '0.0.0.0',
    'db.example.evil',
    '',
    ':80',
    '127.0.0.1@evil.example',
    '127.0.0.1:80:80',
    '[::1',
    'db.example/x',
    'db.example evil.example',
  ];
  for (const host of foreign) {
    it(`'${host}' is refused`, async () => assert.equal(await statusOf([`Host: ${host}`]), 421));
  }

  it('is there once', async () => {
    assert.equal(await statusOf([]), 400);
    assert.equal(await statusOf(['Host: localhost', 'Host: localhost']), 400);
    assert.equal(await statusOf(['Host: localhost', 'hOST: evil.example']), 400);
    assert.equal(await statusOf([], TARGET, '1.0'), SERVED);
    assert.equal(await statusOf(['Host: evil.example'], TARGET, '1.0'), 421);
  });

  it('gives way to the host of the target', async () => {
    assert.equal(await statusOf(['Host: localhost'], `http://localhost${TARGET}`), SERVED);
    assert.equal(await statusOf(['Host: localhost'], `http://evil.example${TARGET}`), 421);
    assert.equal(await statusOf(['Host: localhost'], `HTTP://user@localhost${TARGET}`), 421);
    assert.equal(await statusOf(['Host: evil.example'], `http://localhost:1${TARGET}`), SERVED);
    assert.equal(
      await statusOf(['Host: localhost', 'Origin: http://evil.example'], `http://localhost${TARGET}`),
      403,
    );
  });

  it('a Host that was accepted does not admit another one after it', async () => {
    await using harness = await Harness.start();
    using client = await harness.connect();
    const ask = (host: string) => client.send(`GET /v0/status HTTP/1.1\r\nHost: ${host}\r\n\r\n`).answer();
    const statuses: number[] = [];
    for (const host of ['localhost', 'localhost', 'evil.example', 'localhost', '127.0.0.1']) {
      const { status, body } = await ask(host);
      statuses.push(status);
      if (status === 421) assert.match(body.toString(), /--allow-host/);
    }
    assert.deepEqual(statuses, [200, 200, 421, 200, 200]);
  });

  it('of a node on every address may be any address, and no name but its own', () => {
    const check = new HostCheck('0.0.0.0', ['db.example']);
    const isOwn = (host: string) => {
      const request = { rawHeaders: ['Host', host], url: '/', httpVersionMajor: 1, httpVersionMinor: 1 };
      return check.faultOf(request as Parameters<HostCheck['faultOf']>[0]) === null;
    };
    for (const host of ['10.0.0.7:1', '[2001:db8::1]', 'localhost', 'db.example'])
      assert.ok(isOwn(host), host);
    for (const host of ['evil.example', '10.0.0.7.evil.example', '1.2.3', '0x7f.1'])
      assert.ok(!isOwn(host), host);
  });
});

describe('Origin', () => {
  const cases: [string, number][] = [
    ['http://localhost:19234', SERVED],
    ['HTTP://LOCALHOST:19234', SERVED],
    ['https://localhost:19234', SERVED],
    ['http://localhost', 403],
    ['http://localhost:3000', 403],
    ['http://evil.example', 403],
    ['http://localhost:19234.evil.example', 403],
    ['null', 403],
    ['', 403],
    ['file://', 403],
  ];
  for (const [origin, status] of cases) {
    it(`'${origin}' ${status === 403 ? 'is refused' : 'is the node itself'}`, async () => {
      assert.equal(await statusOf(['Host: localhost:19234', `oRIGIN: ${origin}`]), status);
    });
  }

  it('counts in any place, with a foreign Host too', async () => {
    assert.equal(await statusOf(['Origin: http://localhost', 'Host: localhost', 'Accept: */*']), SERVED);
    assert.equal(await statusOf(['Host: evil.example', 'Origin: http://evil.example']), 421);
    assert.equal(await statusOf(['Origin: http://evil.example'], TARGET, '1.0'), 400);
    assert.equal(
      await statusOf(['Host: localhost', 'Origin: http://evil.example', 'Origin: http://localhost']),
      403,
    );
    assert.equal(
      await statusOf(['Host: localhost', 'Origin: http://localhost', 'Origin: http://evil.example']),
      403,
    );
  });
});
