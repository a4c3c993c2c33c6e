import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../../src/clock.ts';
import { silentLog } from '../../../../../src/log.ts';
import { ClusterSecret } from '../../../../../src/rpc/cluster-secret.ts';
import { DatagramReader } from '../../../../../src/rpc/multicast/datagram-codec.ts';
import type { DatagramPath } from '../../../../../src/rpc/multicast/datagram-path.ts';
import { DatagramSeal } from '../../../../../src/rpc/multicast/datagram-seal.ts';
import { MulticastSender } from '../../../../../src/rpc/multicast/sender.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';

const MAX_DATAGRAM_BYTES = 16_384;

function scene(peers: number): {
  clock: FakeClock;
  sender: MulticastSender;
  paths: DatagramPath[];
  sent: Buffer[];
  resent: [peer: number, id: number][];
} {
  const clock = new FakeClock();
  const sent: Buffer[] = [];
  const resent: [number, number][] = [];
  const sender = new MulticastSender({
    clock,
    random: seededRandom(1),
    log: silentLog,
    seal: new DatagramSeal(ClusterSecret.none),
    maxDatagramBytes: MAX_DATAGRAM_BYTES,
  });
  sender.start({ send: (bytes) => void sent.push(bytes), close() {} });
  const paths = Array.from({ length: peers }, (_, peer) => {
    const path = sender.pathTo({ nodeId: `${peer}`, resend: (id) => resent.push([peer, id]) > 0 });
    path.open(peer + 1);
    return path;
  });
  return { clock, sender, paths, sent, resent };
}

function write(
  sender: MulticastSender,
  paths: readonly DatagramPath[],
  id: number,
  bytes: number,
  deadlineMs = Number.POSITIVE_INFINITY,
): void {
  sender.begin(bytes, paths.length);
  for (const path of paths) sender.address(path, id);
  sender.end(new Uint8Array(bytes), deadlineMs);
}

describe('multicast sender', () => {
  it('takes nothing more while too much is kept, and goes on when it was answered or sent again', () => {
    const { clock, sender, paths, resent } = scene(2);
    let writes = 0;
    while (sender.takes(8_000, 2)) write(sender, paths, ++writes, 8_000);
    clock.flush();
    const { keptBytes } = sender.figures;
    assert.ok(keptBytes >= 16 * 2 ** 20 && keptBytes < 17 * 2 ** 20, `${keptBytes}`);
    clock.advance(300);
    assert.equal(resent.length, 2 * writes);
    assert.equal(sender.figures.keptBytes, 0);
    assert.ok(sender.takes(8_000, 2));
  });

  it('fills no datagram beyond its size, whoever the writes are for', () => {
    const { clock, sender, paths, sent } = scene(40);
    const random = seededRandom(7);
    let addressed = 0;
    for (let id = 1; id <= 400; id++) {
      const chosen = paths.filter(() => random() < 0.2).reverse();
      if (chosen.length < 2) continue;
      addressed += chosen.length;
      write(sender, chosen, id, Math.floor(random() * 2_000));
    }
    clock.flush();
    const reader = new DatagramReader();
    let found = 0;
    for (const bytes of sent) {
      assert.ok(bytes.length <= MAX_DATAGRAM_BYTES);
      assert.ok(reader.open(bytes));
      while (reader.next())
        for (let place = 0; place < reader.receivers; place++) if (reader.idFor(place) >= 0) found++;
      assert.ok(reader.isWhole);
    }
    assert.equal(found, addressed);
    assert.ok(!sender.takes(MAX_DATAGRAM_BYTES, 2));
    assert.ok(!sender.takes(10, 33));
  });

  it('keeps apart what is for a session that has ended', () => {
    const { clock, sender, paths, resent } = scene(3);
    write(sender, paths, 1, 10);
    paths[0].close();
    clock.advance(300);
    assert.deepEqual(resent, [
      [1, 1],
      [2, 1],
    ]);
    assert.equal(sender.figures.keptBytes, 0);
  });

  it('sends again when half of the time is over, whatever else waits longer', () => {
    const { clock, sender, paths, resent } = scene(2);
    write(sender, paths, 1, 10, 1_000);
    clock.advance(10);
    write(sender, paths, 2, 10, 30);
    write(sender, paths, 3, 10, 2_000);
    clock.advance(9);
    assert.equal(resent.length, 0);
    clock.advance(1);
    assert.deepEqual(
      resent.map(([, id]) => id),
      [2, 3, 2, 3],
      'two that are in one datagram',
    );
    clock.advance(29);
    assert.equal(resent.length, 4);
    clock.advance(171);
    assert.deepEqual(resent.slice(4), [
      [0, 1],
      [1, 1],
    ]);
    assert.equal(sender.figures.keptBytes, 0);
    assert.equal(clock.pendingTimers, 0);
  });

  it('sends again before requests are answered whose time is up, also when its timer is late', () => {
    const { clock, sender, paths, resent } = scene(2);
    write(sender, paths, 1, 10, 20);
    clock.flush();
    for (const path of paths) path.tick(20);
    assert.deepEqual(resent, [
      [0, 1],
      [1, 1],
    ]);
    for (const { resent: counted } of sender.figures.peers) assert.equal(counted, 1);
  });

  it('that closes sends again at once what is not answered', () => {
    const { clock, sender, paths, resent } = scene(2);
    write(sender, paths, 1, 10);
    clock.flush();
    write(sender, paths, 2, 10);
    sender.close();
    assert.deepEqual(
      resent.map(([, id]) => id),
      [1, 2, 1, 2],
    );
    assert.equal(sender.figures.keptBytes, 0);
    assert.equal(clock.pendingTimers, 0);
  });

  it('learns from answers how long to wait for the next', () => {
    const { clock, sender, paths } = scene(2);
    for (let id = 1; id <= 30; id++) {
      write(sender, paths, id, 10);
      clock.advance(3);
      for (const path of paths) path.onAnswer(id, clock);
    }
    for (const { patienceMs } of sender.figures.peers) assert.equal(patienceMs, 20);
  });
});
