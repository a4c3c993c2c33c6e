/** What both kinds of datagrams promise: UDP on loopback, and memory. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { describe, it } from 'node:test';
import { seededRandom, systemClock } from '../../../src/clock.ts';
import type {
  DatagramTransport,
  GroupReceiver,
  MulticastGroup,
} from '../../../src/rpc/multicast/datagram-transport.ts';
import { groupOf } from '../../../src/rpc/multicast/group.ts';
import { udpTransport } from '../../../src/rpc/multicast/udp-transport.ts';
import { MemoryDatagrams } from '../../support/memory-datagrams.ts';
import { until } from '../../support/until.ts';

const VIA = '127.0.0.1';
const LARGE_BYTES = 32 * 1_024;

/** Groups that no other test on this machine has. */
function groupNamed(name: string): MulticastGroup {
  return groupOf(`test ${process.pid}`, name, 1);
}

class Heard {
  readonly datagrams: Buffer[] = [];
  receiver: GroupReceiver | undefined;

  static async in(transport: DatagramTransport, group: MulticastGroup): Promise<Heard> {
    const heard = new Heard();
    heard.receiver = await transport.receiver(group, VIA, (datagram) => heard.datagrams.push(datagram));
    return heard;
  }

  async count(expected: number): Promise<void> {
    const said = (): string => `${this.datagrams.length} datagrams came`;
    await until(() => this.datagrams.length >= expected, 30_000, said);
  }

  close(): void {
    this.receiver?.close();
  }
}

const kinds: readonly (readonly [string, DatagramTransport])[] = [
  ['UDP', udpTransport],
  ['memory', new MemoryDatagrams(systemClock, seededRandom(1)).transport('a')],
];

for (const [kind, transport] of kinds) {
  describe(`datagrams of ${kind}`, () => {
    it('reach all that hear their group, as they are, and nobody else', async () => {
      const group = groupNamed('one');
      // On the same port, as two nodes' groups may be.
      const other = { ...groupNamed('two'), port: group.port };
      const [first, second, elsewhere] = [
        await Heard.in(transport, group),
        await Heard.in(transport, group),
        await Heard.in(transport, other),
      ];
      const sender = await transport.sender(group, VIA, () => assert.fail('a datagram was not sent'));
      try {
        const small = Buffer.from('small');
        const large = Buffer.alloc(LARGE_BYTES, 7);
        sender.send(small);
        sender.send(large);
        for (const heard of [first, second]) {
          await heard.count(2);
          const [one, two] = heard.datagrams.toSorted((a, b) => a.length - b.length);
          assert.ok(one.equals(small) && two.equals(large));
          assert.ok((heard.receiver?.bufferBytes ?? 0) > 0);
        }
        const toOthers = await transport.sender(other, VIA, () => undefined);
        toOthers.send(small);
        await elsewhere.count(1);
        assert.deepEqual(
          [first, second, elsewhere].map(({ datagrams }) => datagrams.length),
          [2, 2, 1],
        );
        toOthers.close();
      } finally {
        for (const open of [sender, first, second, elsewhere]) open.close();
      }
    });

    it('to a group that nobody hears any more are gone, and fail nobody', async () => {
      const group = groupNamed('three');
      const heard = await Heard.in(transport, group);
      const again = await Heard.in(transport, group);
      const sender = await transport.sender(group, VIA, () => assert.fail('a datagram was not sent'));
      heard.close();
      sender.send(Buffer.from('1'));
      await again.count(1);
      assert.equal(heard.datagrams.length, 0);
      again.close();
      sender.send(Buffer.from('2'));
      sender.close();
    });
  });
}

describe('UDP', () => {
  it('names the group and the interface when it cannot hear or send', async () => {
    const group = groupNamed('four');
    // An address of the documentation's range, which this machine has not.
    const via = '203.0.113.7';
    const which = new RegExp(
      `the multicast group ${group.address}:${group.port} at the interface of 203.0.113.7: `,
    );
    for (const opening of [
      udpTransport.receiver(group, via, () => {}),
      udpTransport.sender(group, via, () => {}),
    ])
      await assert.rejects(opening, { name: 'QuorateError', message: which });
  });

  it('says so when another program has the port', async () => {
    const group = groupNamed('five');
    const other = dgram.createSocket('udp4');
    await new Promise<void>((resolve) => other.bind({ port: group.port, exclusive: true }, resolve));
    try {
      await assert.rejects(
        udpTransport.receiver(group, VIA, () => {}),
        { message: /EADDRINUSE/ },
      );
    } finally {
      other.close();
    }
  });

  it('tells of a datagram that the system does not take, and goes on', async () => {
    const group = groupNamed('seven');
    let faults = 0;
    const heard = await Heard.in(udpTransport, group);
    const sender = await udpTransport.sender(group, VIA, () => void faults++);
    try {
      // Larger than any datagram of IPv4.
      sender.send(Buffer.alloc(70_000));
      sender.send(Buffer.from('small'));
      await heard.count(1);
      assert.equal(heard.datagrams[0].toString(), 'small');
      await until(
        () => faults > 0,
        30_000,
        () => 'nobody was told',
      );
      assert.equal(faults, 1);
    } finally {
      sender.close();
      heard.close();
    }
  });

  it('may be closed twice, and sends nothing afterwards', async () => {
    const sender = await udpTransport.sender(groupNamed('six'), VIA, () => assert.fail('it was sent'));
    sender.close();
    sender.close();
    sender.send(Buffer.from('late'));
  });
});
