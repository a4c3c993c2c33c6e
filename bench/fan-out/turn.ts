/** One load of PUTs on one cluster, and what it took. */
import { LoadOperation } from '../../src/cli/load/operation-mix.ts';
import { percentileMs } from '../../src/cli/load/result.ts';
import type { BenchCluster } from '../support/bench-cluster.ts';
import { runLoad } from '../support/load.ts';

/** Few, so that nothing but the newest values has to be kept. */
const KEYS = 1_000;

export interface FanOutTurn {
  readonly putsPerSecond: number;
  /** The CPU time of all threads of all nodes. */
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the writes that the first node asked of others: what went out as datagrams. 0 for unicast. */
  readonly datagramShare: number;
  /** Of those: what was sent again over RPC. */
  readonly resentShare: number;
  /** Requests a datagram brought to one peer, in the mean. */
  readonly writesPerDatagram: number;
  readonly errors: number;
  readonly faults: readonly string[];
}

export async function takeFanOutTurn(
  cluster: BenchCluster,
  valueBytes: number,
  seconds: number,
): Promise<FanOutTurn> {
  const before = await sentBy(cluster);
  const cpuBefore = cluster.cpuSeconds();
  const result = await runLoad({
    port: cluster.port,
    method: 'put',
    perSecond: 0,
    seconds,
    keys: KEYS,
    valueBytes,
  });
  const cpuSeconds = cluster.cpuSeconds() - cpuBefore;
  const after = await sentBy(cluster);
  const histogram = result.tally.histograms[LoadOperation.put];
  if (histogram === null || histogram.totalCount === 0) throw new Error('no PUT was answered');
  const puts = histogram.totalCount;
  const byDatagram = after.sent - before.sent;
  const datagrams = after.datagrams - before.datagrams;
  // What it has begun with flushes and compactions does not fall on the next one.
  await cluster.settled();
  return {
    putsPerSecond: result.requestsPerSecond,
    cpuMicros: (cpuSeconds / puts) * 1e6,
    p50Ms: percentileMs(histogram, 50),
    p99Ms: percentileMs(histogram, 99),
    datagramShare: byDatagram / (puts * (cluster.nodes.length - 1)),
    resentShare: byDatagram === 0 ? 0 : (after.resent - before.resent) / byDatagram,
    writesPerDatagram: datagrams === 0 ? 0 : byDatagram / (cluster.nodes.length - 1) / datagrams,
    errors: result.tally.errors,
    faults: result.faults,
  };
}

async function sentBy(cluster: BenchCluster): Promise<{ sent: number; resent: number; datagrams: number }> {
  const [{ multicast }] = await cluster.statuses();
  const total = { sent: 0, resent: 0, datagrams: multicast?.sent.datagrams ?? 0 };
  for (const peer of multicast?.sent.peers ?? []) {
    total.sent += peer.sent;
    total.resent += peer.resent;
  }
  return total;
}
