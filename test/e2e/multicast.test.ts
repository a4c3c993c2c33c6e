/** A real cluster whose nodes write to each other by multicast on loopback. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { describe, test } from 'node:test';
import { TestCluster } from '../support/cluster.ts';
import { runCli } from '../support/run-cli.ts';
import { until } from '../support/until.ts';

interface MulticastStatus {
  readonly isOpen: boolean;
  readonly group: string;
  readonly sent: { readonly datagrams: number; readonly writes: number };
  readonly received: {
    readonly writes: number;
    readonly foreign: number;
    readonly unsealed: number;
    readonly duplicates: number;
  };
}

async function multicastOf(cluster: TestCluster, node: number): Promise<MulticastStatus> {
  return (await cluster.client.status(cluster.ports[node])).multicast as unknown as MulticastStatus;
}

/** What anybody on the machine can do: hear the group of a node, and send to it. */
class Stranger implements AsyncDisposable {
  readonly heard: Buffer[] = [];
  readonly #socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  readonly #address: string;
  readonly #port: number;

  constructor(group: string) {
    const [address, port] = group.split(':');
    this.#address = address;
    this.#port = Number(port);
  }

  async start(): Promise<void> {
    this.#socket.on('message', (bytes) => this.heard.push(bytes));
    await new Promise<void>((resolve) =>
      this.#socket.bind({ address: this.#address, port: this.#port, exclusive: true }, resolve),
    );
    this.#socket.addMembership(this.#address, '127.0.0.1');
    this.#socket.setMulticastInterface('127.0.0.1');
  }

  send(bytes: Buffer): Promise<unknown> {
    return new Promise((resolve) => this.#socket.send(bytes, this.#port, this.#address, resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }
}

describe('serve --fan-out multicast', () => {
  test('acknowledges writes that went out as datagrams, and takes nothing from strangers', async () => {
    await using cluster = await TestCluster.start({ nodes: 3, args: ['--fan-out', 'multicast'] });
    const { isOpen, group } = await multicastOf(cluster, 0);
    assert.ok(isOpen);
    await using stranger = new Stranger(group);
    await stranger.start();

    const url = `http://127.0.0.1:${cluster.ports[0]}`;
    const what = ['--method', 'put', '--keys', '100', '--ack', '3', '--from', '3', '--connections', '8'];
    const load = await runCli(['load', '--url', url, ...what, '--duration', '500ms', '--warmup', '100ms']);
    const text = load.stdout.toString();
    assert.match(text, / answered well, 0 errors/);
    const { sent } = await multicastOf(cluster, 0);
    assert.ok(sent.writes > 0 && sent.datagrams > 0, text);
    const { received } = await multicastOf(cluster, 1);
    // What came too late for a busy machine went over RPC, all else by datagram.
    assert.ok(received.writes > sent.writes / 2, `${received.writes} of ${sent.writes}`);

    await until(
      () => stranger.heard.length > 0,
      30_000,
      () => 'the stranger hears nothing',
    );
    const replayed = stranger.heard[stranger.heard.length - 1];
    const changed = Buffer.from(replayed);
    changed[changed.length - 1] ^= 1;
    const before = (await multicastOf(cluster, 1)).received;
    for (let i = 0; i < 20; i++) {
      await stranger.send(Buffer.alloc(50 + i, i));
      await stranger.send(changed);
      await stranger.send(replayed);
    }
    await until(
      async () => {
        const { duplicates, foreign, unsealed } = (await multicastOf(cluster, 1)).received;
        return foreign >= before.foreign + 20 && unsealed >= 20 && duplicates >= before.duplicates + 20;
      },
      30_000,
      () => 'the datagrams were not dropped',
    );
    // The node lives, and so does its multicast.
    const put = await cluster.client.put(cluster.ports[0], 'after', 'the strangers', { ack: 3, from: 3 });
    assert.equal(put.status, 201);
    assert.ok((await multicastOf(cluster, 0)).sent.writes > sent.writes);
  });
});
