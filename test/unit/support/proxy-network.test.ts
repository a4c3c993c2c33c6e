import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyNetwork } from '../../support/proxy-network.ts';

test('each node reaches each other one by a link of its own, and itself directly', async () => {
  const nodes = [1, 2, 3].map((port) => ({ host: '127.0.0.1', port }));
  await using network = await ProxyNetwork.among(nodes);
  const views = nodes.map((_, from) => network.addressesFor(from));
  for (const [from, view] of views.entries()) assert.deepEqual(view[from], nodes[from]);
  const links = views.flatMap((view, from) => view.filter((_, to) => to !== from));
  assert.equal(new Set(links.map(({ port }) => port)).size, 6);
  const ports = (of: readonly { readonly address: { readonly port: number } }[]): number[] =>
    of.map(({ address }) => address.port);
  assert.deepEqual(ports(network.between(0, 2)), [views[0][2].port, views[2][0].port]);
  assert.deepEqual(
    ports(network.around(1)).toSorted(),
    [views[0][1], views[1][0], views[1][2], views[2][1]].map(({ port }) => port).toSorted(),
  );
});
