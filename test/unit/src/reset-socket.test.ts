import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { resetSocket } from '../../../src/reset-socket.ts';
import { quietEnvironment } from '../../support/run-cli.ts';

const PROCESS = fileURLToPath(new URL('../../support/reset-process.ts', import.meta.url));
/** Of a process that takes a tenth of it. */
const TIMEOUT_MS = 60_000;
/** More than the kernel takes for a receiver that does not read. */
const LARGE = Buffer.alloc(32 * 1024 * 1024);

/** Two ends of a connection; the first is the one that connects. */
async function connected(): Promise<readonly [Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { address: host, port } = server.address() as AddressInfo;
  const one = connect({ host, port, allowHalfOpen: true });
  const [[other]] = await Promise.all([once(server, 'connection'), once(one, 'connect')]);
  server.close();
  return [one, other];
}

/** How a socket hears that the other end has gone: `end`, or the code of an error. */
async function farewell(socket: Socket): Promise<string> {
  const heard = Promise.withResolvers<string>();
  socket.once('error', (error: NodeJS.ErrnoException) => heard.resolve(error.code ?? error.message));
  socket.once('end', () => heard.resolve('end'));
  socket.resume();
  const name = await heard.promise;
  socket.destroy();
  return name;
}

describe('a reset', () => {
  const befores: readonly (readonly [string, (socket: Socket) => void, farewell: string])[] = [
    ['of a connection that is idle is seen by the other end', () => undefined, 'ECONNRESET'],
    ['loses what was written', (socket) => socket.write(LARGE), 'ECONNRESET'],
    ['loses what was written before its end', (socket) => socket.end(LARGE), 'ECONNRESET'],
    ['closes a connection that sends its end', (socket) => socket.end(), 'end'],
  ];
  for (const [name, before, expected] of befores) {
    test(name, async () => {
      const [one, other] = await connected();
      before(one);
      const closed = once(one, 'close');
      resetSocket(one);
      assert.deepEqual(await closed, [false]);
      assert.equal(await farewell(other), expected);
    });
  }

  test('closes a connection that has sent its end', async () => {
    const [one, other] = await connected();
    one.end();
    await once(one, 'finish');
    const closed = once(one, 'close');
    resetSocket(one);
    assert.deepEqual(await closed, [false]);
    await farewell(other);
  });

  for (const way of ['socket', 'proxy']) {
    test(`of what sends its end lets its process end: ${way}`, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [PROCESS, way], {
        env: quietEnvironment(),
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
      });
      assert.equal(stdout, 'done\n');
    });
  }
});
