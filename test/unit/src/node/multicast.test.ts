import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, systemClock } from '../../../../src/clock.ts';
import { defaultNodeSettings } from '../../../../src/config.ts';
import { QuorateError } from '../../../../src/errors.ts';
import type { DatagramTransport } from '../../../../src/rpc/multicast/datagram-transport.ts';
import { HttpClient } from '../../../support/http.ts';
import { InProcessCluster } from '../../../support/in-process-cluster.ts';
import { MemoryDatagrams } from '../../../support/memory-datagrams.ts';

interface Status {
  readonly node: {
    readonly state: string;
    readonly conditions: readonly {
      readonly code: string;
      readonly message: string;
      readonly stopsWrites: boolean;
    }[];
  };
  readonly multicast: {
    readonly isOpen: boolean;
    readonly sent: { readonly writes: number };
    readonly received: { readonly writes: number };
  } | null;
}

const NODES = 5;
const [, FIRST, SECOND, WITHOUT, UNICAST] = Array.from({ length: NODES }, (_, index) => index);
const SETTINGS = { ...defaultNodeSettings(), fanOut: 'multicast' } as const;

/** Where no group can be joined. */
const noMulticast: DatagramTransport = {
  sender: async () => assert.fail('nobody is heard, so nothing is sent'),
  receiver: async () => {
    throw new QuorateError('INVALID_CONFIG', 'cannot hear the multicast group: addMembership ENODEV');
  },
};

describe('a node with --fan-out multicast', () => {
  it('writes by datagram to those that hear it and over RPC to all others, and says where it cannot', async () => {
    await using cluster = await InProcessCluster.create(NODES);
    using client = new HttpClient();
    const datagrams = new MemoryDatagrams(systemClock, seededRandom(1));
    const starting = Array.from({ length: NODES }, (_, index) => {
      if (index === UNICAST) return cluster.start(index);
      const transport = index === WITHOUT ? noMulticast : datagrams.transport(`n${index}`);
      return cluster.start(index, { settings: SETTINGS, datagrams: transport });
    });
    await Promise.all(starting);
    await cluster.meet();
    const statuses = async (): Promise<Status[]> =>
      Promise.all(
        starting.map(async (_, index) => (await client.status(cluster.port(index))) as unknown as Status),
      );

    const { node, multicast } = (await statuses())[WITHOUT];
    assert.equal(node.state, 'degraded');
    assert.deepEqual(
      node.conditions.map(({ code, stopsWrites }) => [code, stopsWrites]),
      [['MULTICAST_OFF', false]],
    );
    assert.match(
      node.conditions[0].message,
      /^Writes are not sent by multicast, as this node cannot hear .* ENODEV/,
    );
    assert.equal(multicast?.isOpen, false);
    assert.equal((await statuses())[UNICAST].multicast, null);

    for (let i = 0; i < 10; i++) {
      const put = await client.put(cluster.port(0), `key${i}`, 'value', { ack: NODES, from: NODES });
      assert.equal(put.status, 201, put.body.toString());
      const there = await client.put(cluster.port(WITHOUT), `key${i}`, 'value', { ack: NODES, from: NODES });
      assert.equal(there.status, 201, there.body.toString());
    }
    const after = await statuses();
    assert.equal(after[0].multicast?.sent.writes, 10);
    for (const index of [FIRST, SECOND]) assert.equal(after[index].multicast?.received.writes, 10);
    assert.equal(after[WITHOUT].multicast?.sent.writes, 0);

    for (let index = 0; index < NODES; index++) await cluster.stop(index);
    assert.equal(datagrams.listeners, 0, 'it hears nothing after its end');
  });
});
