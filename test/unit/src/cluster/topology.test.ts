import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  localTopology,
  parseTopology,
  readTopology,
  type Topology,
  topologyDigest,
} from '../../../../src/cluster/topology.ts';
import { QuorateError } from '../../../../src/errors.ts';

const node = (id: string, more: object = {}): object => ({
  id,
  http: { host: `${id}.example`, port: 19234 },
  rpc: `${id}.example:19334`,
  ...more,
});

const parse = (document: unknown): Topology => parseTopology(JSON.stringify(document), 'cluster.json');

function faultsOf(document: unknown): string[] {
  try {
    parse(document);
  } catch (error) {
    assert.ok(error instanceof QuorateError);
    assert.equal(error.code, 'INVALID_TOPOLOGY');
    assert.match(error.message, /^cluster\.json has (a fault|\d+ faults):\n/);
    return error.message.split('\n  ').slice(1);
  }
  return [];
}

const oneFault = (document: unknown, fault: string): void => assert.deepEqual(faultsOf(document), [fault]);
const oneNodeFault = (more: object, fault: string): void =>
  oneFault({ cluster: 'c', nodes: [node('a', more)] }, fault);

test('a file gives nodes sorted by id, with defaults filled in', () => {
  const document = {
    cluster: 'shop',
    placement: 'spread',
    nodes: [node('b', { zone: 'west', weight: 2.5 }), node('a', { http: '[::1]:80' })],
  };
  assert.deepEqual(parse(document), {
    cluster: 'shop',
    placement: 'spread',
    nodes: [
      {
        id: 'a',
        http: { host: '::1', port: 80 },
        rpc: { host: 'a.example', port: 19334 },
        zone: 'default',
        weight: 1,
      },
      {
        id: 'b',
        http: { host: 'b.example', port: 19234 },
        rpc: { host: 'b.example', port: 19334 },
        zone: 'west',
        weight: 2.5,
      },
    ],
  });
  assert.equal(parse({ cluster: 'shop', nodes: [node('a')] }).placement, 'any');
});

test('every fault of a file is named with its path', () => {
  const document = {
    placement: 'everywhere',
    replicas: 3,
    nodes: [
      node('a', { id: 'a b', weight: 0 }),
      7,
      node('c', { rpc: 'nowhere', zone: '', color: 'red' }),
      node('d', { http: { host: 'd', port: 70_000, path: '/' } }),
    ],
  };
  assert.deepEqual(faultsOf(document), [
    'replicas: unknown, expected one of cluster, placement, from, secretFile, nodes',
    'cluster: expected 1 to 64 letters, digits, dots, dashes or underscores, found nothing',
    'placement: expected one of any, spread, near, found "everywhere"',
    'nodes[0].id: expected 1 to 64 letters, digits, dots, dashes or underscores, found "a b"',
    'nodes[0].weight: expected a number above 0, found 0',
    'nodes[1]: expected an object, found 7',
    'nodes[2].color: unknown, expected one of id, http, rpc, zone, weight',
    'nodes[2].rpc: expected "host:port" or "[address]:port", found "nowhere"',
    'nodes[2].zone: expected 1 to 64 letters, digits, dots, dashes or underscores, found ""',
    'nodes[3].http.path: unknown, expected one of host, port',
    'nodes[3].http.port: expected a whole number from 1 to 65535, found 70000',
  ]);
});

test('two nodes cannot share an id or an address', () => {
  const nodes = [
    node('a'),
    node('b', { http: 'A.example:19334' }),
    node('a', { http: 'c:1', rpc: '[::1]:2' }),
  ];
  assert.deepEqual(faultsOf({ cluster: 'c', nodes }), [
    'nodes[1].http: a.example:19334 is taken by nodes[0].rpc',
    'nodes[2].id: a is taken by nodes[0].id',
  ]);
});

test('an id is a safe name of a folder, on every system', () => {
  for (const id of ['.', '..', '.hidden', 'a.', 'con', 'NUL', 'com1.txt']) {
    oneNodeFault(
      { id },
      `nodes[0].id: ${id} cannot be the name of the node's folder: no dot at either end, no name of a device`,
    );
  }
  for (const id of ['a.b', 'console', 'com10', '-', '_'])
    assert.deepEqual(faultsOf({ cluster: 'c', nodes: [node('x', { id })] }), []);
  oneFault(
    { cluster: 'c', nodes: [node('Berlin'), node('berlin', { http: 'c:1', rpc: 'c:2' })] },
    'nodes[1].id: berlin is taken by nodes[0].id',
  );
});

test('a byte order mark in front is passed over', () => {
  const text = JSON.stringify({ cluster: 'c', nodes: [node('a')] });
  assert.deepEqual(parseTopology(`\ufeff${text}`, 'cluster.json'), parseTopology(text, 'cluster.json'));
  assert.throws(() => parseTopology(`\ufeff\ufeff${text}`, 'cluster.json'), /is not JSON/);
});

test('what is no topology at all is one fault', () => {
  oneFault(null, 'the document: expected an object, found null');
  oneFault([], 'the document: expected an object, found a list of 0');
  oneFault({ cluster: 'c' }, 'nodes: expected a list of 1 to 1000 nodes, found nothing');
  oneFault({ cluster: 'c', nodes: [] }, 'nodes: expected a list of 1 to 1000 nodes, found a list of 0');
  const crowd = Array.from({ length: 1001 }, (_, i) => node(`n${i}`));
  oneFault({ cluster: 'c', nodes: crowd }, 'nodes: expected a list of 1 to 1000 nodes, found a list of 1001');
  assert.equal(parse({ cluster: 'c', nodes: crowd.slice(1) }).nodes.length, 1000);
});

test('fields are what they are said to be', () => {
  oneNodeFault({ weight: '1' }, 'nodes[0].weight: expected a number above 0, found "1"');
  oneNodeFault(
    { zone: null },
    'nodes[0].zone: expected 1 to 64 letters, digits, dots, dashes or underscores, found null',
  );
  const address = 'expected "host:port" or { "host": …, "port": … }, found';
  oneNodeFault({ http: 80 }, `nodes[0].http: ${address} 80`);
  oneNodeFault({ rpc: undefined }, `nodes[0].rpc: ${address} nothing`);
  oneNodeFault({ rpc: null }, `nodes[0].rpc: ${address} null`);
  const port = 'nodes[0].http.port: expected a whole number from 1 to 65535, found';
  oneNodeFault({ http: { host: 'h' } }, `${port} nothing`);
  oneNodeFault({ http: { host: 'h', port: 0 } }, `${port} 0`);
  oneNodeFault({ http: { host: 'h', port: 1.5 } }, `${port} 1.5`);
  const host = 'nodes[0].http.host: expected a host name or an IP address, found';
  oneNodeFault({ http: { host: 'a/b', port: 1 } }, `${host} "a/b"`);
  oneNodeFault({ http: { host: '[::1]', port: 1 } }, `${host} "[::1]"`);
  for (const text of [
    '',
    ':80',
    'host',
    'host:',
    'host:0',
    'host:65536',
    '::1:80',
    '[zz]:80',
    '[::1]',
    'a b:80',
  ]) {
    const fault = `nodes[0].http: expected "host:port" or "[address]:port", found ${JSON.stringify(text)}`;
    oneNodeFault({ http: text }, fault);
  }
});

test('text that is not JSON, and a file that is not there, say so', () => {
  const invalid = (pattern: RegExp) => ({ code: 'INVALID_TOPOLOGY', message: pattern });
  assert.throws(
    () => parseTopology('{\n  "nodes": [},\n  "x": 1\n}', 'cluster.json'),
    invalid(/^cluster\.json is not JSON: Unexpected token '}', at line 2, column 13$/),
  );
  assert.throws(() => readTopology(join(tmpdir(), 'no', 'such', 'file')), invalid(/cannot be read: ENOENT/));
  const folder = mkdtempSync(join(tmpdir(), 'quorate-topology-'));
  try {
    const path = join(folder, 'cluster.json');
    writeFileSync(path, JSON.stringify({ cluster: 'c', nodes: [node('a')] }));
    assert.equal(readTopology(path).nodes[0].id, 'a');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a cluster on one machine has its nodes on ports one behind the other', () => {
  const topology = localTopology({ nodes: 3, host: '127.0.0.1', port: 19234, rpcPorts: [4001, 4002, 4003] });
  assert.deepEqual(
    topology.nodes.map(({ id, http, rpc, zone, weight }) => [id, http.port, rpc.port, zone, weight]),
    [
      ['node-1', 19234, 4001, 'default', 1],
      ['node-2', 19235, 4002, 'default', 1],
      ['node-3', 19236, 4003, 'default', 1],
    ],
  );
  const atTheEnd = { nodes: 2, host: 'localhost', port: 65_535, rpcPorts: [1, 2] };
  assert.throws(() => localTopology(atTheEnd), /nodes\[1\]\.http\.port: .* found 65536/);
});

test('the default number of replicas is one that a key can have', () => {
  const nodes = [node('a'), node('b')];
  assert.equal(parse({ cluster: 'c', from: 2, nodes }).from, 2);
  assert.equal(parse({ cluster: 'c', nodes }).from, undefined);
  const expected = 'from: expected a whole number from 1 to 2, the most replicas a key has here, found';
  for (const from of [0, 3, 1.5, -1]) oneFault({ cluster: 'c', from, nodes }, `${expected} ${from}`);
  oneFault({ cluster: 'c', from: '2', nodes }, `${expected} "2"`);
  oneFault({ cluster: 'c', from: null, nodes }, `${expected} null`);
});

test('the digest tells who holds what, and nothing else', () => {
  const base = {
    cluster: 'c',
    placement: 'any',
    nodes: [node('a', { weight: 2 }), node('b', { zone: 'z' })],
  };
  const digest = topologyDigest(parse(base));
  assert.match(digest, /^[0-9a-f]{64}$/);
  const same = [
    { ...base, nodes: base.nodes.toReversed() },
    { ...base, nodes: [node('a', { weight: 2, http: '0.0.0.0:1' }), base.nodes[1]] },
  ];
  for (const document of same) assert.equal(topologyDigest(parse(document)), digest);
  const different = [
    { ...base, cluster: 'd' },
    { ...base, placement: 'near' },
    { ...base, from: 1 },
    { ...base, from: 2 },
    { ...base, nodes: base.nodes.slice(1) },
    { ...base, nodes: [node('a', { weight: 3 }), base.nodes[1]] },
    { ...base, nodes: [node('a', { weight: 2, zone: 'z' }), base.nodes[1]] },
    { ...base, nodes: [node('aa', { weight: 2 }), base.nodes[1]] },
  ];
  const digests = different.map((document) => topologyDigest(parse(document)));
  assert.equal(new Set([digest, ...digests]).size, 1 + different.length);
});
