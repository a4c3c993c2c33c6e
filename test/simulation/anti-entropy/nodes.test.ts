/** Rounds between whole nodes, over their RPC. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultNodeSettings } from '../../../src/config.ts';
import { HttpClient } from '../../support/http.ts';
import { InProcessCluster } from '../../support/in-process-cluster.ts';
import { until } from '../../support/until.ts';

const KEYS = 40;
/** What brings a node back to what it missed is anti-entropy alone. */
const WITHOUT_HINTS = {
  settings: { ...defaultNodeSettings(), hints: 'off' as const, readRepair: 'async' as const },
};

test('a node that was away gets what it missed by rounds alone', {
  timeout: 240_000,
}, async () => {
  await using cluster = await InProcessCluster.create(3);
  using client = new HttpClient();
  await cluster.startAll(WITHOUT_HINTS);
  await cluster.meet();
  await cluster.stop(2);
  for (let number = 0; number < KEYS; number++) {
    const { status } = await client.put(cluster.port(0), `key${number}`, Buffer.from(`v${number}`), {
      ack: 2,
    });
    assert.equal(status, 201);
  }
  const node = await cluster.start(2, WITHOUT_HINTS);
  const received = (): number =>
    (node.services.status.status().antiEntropy as { keysReceived: number }).keysReceived;
  await until(
    () => received() >= KEYS,
    20_000,
    () => `it got ${received()} of ${KEYS}: ${JSON.stringify(node.services.status.status().antiEntropy)}`,
  );
  await cluster.stop(0);
  await cluster.stop(1);
  const held = await fetch(`http://127.0.0.1:${cluster.port(2)}/v0/entities?start=`);
  assert.equal((await held.text()).split('v').length - 1, KEYS);
});
