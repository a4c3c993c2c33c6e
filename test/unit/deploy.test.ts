/** What `deploy/` holds for machines and clusters of machines: judged by its schemas, and tried where it can be. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { validate } from 'dockerfile-utils';
import { type IStatefulSet, StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { type IService, Service } from 'kubernetes-models/v1/Service';
import { parseAllDocuments } from 'yaml';
import { PROJECT } from '../../deploy/packages/packages.ts';
import { serveCommand } from '../../src/cli/serve/serve.ts';
import { parseTopology, topologyDigest } from '../../src/cluster/topology.ts';

const KUBERNETES = path.join(PROJECT, 'deploy', 'kubernetes');
const folder = mkdtempSync(path.join(tmpdir(), 'quorate-deploy-'));
after(() => rmSync(folder, { recursive: true }));

const textOf = (...names: string[]): string => readFileSync(path.join(PROJECT, 'deploy', ...names), 'utf8');
const objectsOf = (file: string): unknown[] =>
  parseAllDocuments(textOf('kubernetes', file), { merge: true }).map(
    (document) => document.toJS() as unknown,
  );

/** Each flag exists, and what it is given is taken. */
function assertServes(args: readonly string[]): void {
  assert.equal(args[0], 'serve');
  const { operands, unknown } = serveCommand().parseOptions(args.slice(1));
  assert.deepEqual({ operands, unknown }, { operands: [], unknown: [] });
}

describe('kubernetes', () => {
  const set = objectsOf('stateful-set.yaml')[0] as IStatefulSet;
  const [headless, forClients] = objectsOf('services.yaml') as [IService, IService];
  const { containers, initContainers } = set.spec?.template.spec ?? assert.fail('no pods');
  const name = set.metadata?.name as string;
  const replicas = set.spec?.replicas as number;

  test('the objects are what the schemas allow', () => {
    new StatefulSet(set).validate();
    for (const service of [headless, forClients]) new Service(service).validate();
    const [budget] = objectsOf('disruption-budget.yaml') as [
      ConstructorParameters<typeof PodDisruptionBudget>[0],
    ];
    new PodDisruptionBudget(budget).validate();
    const wrong = { ...set, spec: { ...set.spec, replicas: 'three' } } as unknown as IStatefulSet;
    assert.throws(() => new StatefulSet(wrong).validate(), /replicas/);
  });

  test('what belongs together has one name', () => {
    assert.equal(set.spec?.serviceName, headless.metadata?.name);
    assert.equal(headless.spec?.clusterIP, 'None');
    const labels = set.spec?.template.metadata?.labels;
    assert.deepEqual(headless.spec?.selector, labels);
    assert.deepEqual(forClients.spec?.selector, labels);
    assert.deepEqual(set.spec?.selector.matchLabels, labels);
    const [{ configMapGenerator, resources }] = objectsOf('kustomization.yaml') as [
      { configMapGenerator: { name: string; files: string[] }[]; resources: string[] },
    ];
    assert.deepEqual(resources.toSorted(), ['disruption-budget.yaml', 'services.yaml', 'stateful-set.yaml']);
    const scripts = set.spec?.template.spec?.volumes?.find((volume) => volume.name === 'scripts');
    assert.equal(scripts?.configMap?.name, configMapGenerator[0].name);
    assert.equal(initContainers?.[0].command?.[1], `/scripts/${configMapGenerator[0].files[0]}`);
  });

  test('a node is started with flags that there are', () => {
    assertServes(containers[0].args as string[]);
  });

  test('a pod that ends is forgotten by the services first, and has time to drain then', () => {
    const { lifecycle } = containers[0];
    const [program, seconds] = lifecycle?.preStop?.exec?.command ?? assert.fail('it drains at once');
    assert.equal(program, 'sleep');
    assert.ok(Number(seconds) >= 3, 'endpoints take seconds to be forgotten');
    const graceSeconds = set.spec?.template.spec?.terminationGracePeriodSeconds as number;
    // The drain takes up to 5 s, and what hangs is killed by the program then.
    assert.ok(Number(seconds) + 2 * 5 <= graceSeconds);
  });

  test('a pod can be asked by every name that a service gives it', () => {
    const flag = containers[0].args?.find((arg) => arg.startsWith('--allow-host='));
    const allowed = new Set(flag?.slice('--allow-host='.length).split(','));
    for (const host of [forClients.metadata?.name, `$(POD_NAME).${headless.metadata?.name}`]) {
      for (const domain of ['', '.$(NAMESPACE)', '.$(NAMESPACE).svc', '.$(NAMESPACE).svc.cluster.local'])
        assert.ok(allowed.has(`${host}${domain}`), `${host}${domain}`);
    }
  });

  test('a node has as many threads on a machine of many cores, whose number a pod sees, as on one of few', () => {
    assert.ok(containers[0].args?.some((arg) => arg.startsWith('--readers=')));
  });

  test('each pod makes the same cluster, with a node for each ordinal, and itself on all addresses', () => {
    const env = new Map((initContainers?.[0].env ?? []).map(({ name: key, value }) => [key, value]));
    assert.equal(env.get('NODES'), String(replicas));
    const digests = new Set<string>();
    for (let ordinal = 0; ordinal < replicas; ordinal++) {
      const pod = `${name}-${ordinal}`;
      const file = path.join(folder, `${pod}.json`);
      execFileSync(process.execPath, [path.join(KUBERNETES, 'make-topology.mjs'), file], {
        env: { POD_NAME: pod, NODES: env.get('NODES'), SERVICE: env.get('SERVICE') },
      });
      const topology = parseTopology(readFileSync(file, 'utf8'), file);
      assert.deepEqual(
        topology.nodes.map(({ http, id, rpc }) => [id, http.host, rpc.host]),
        Array.from({ length: replicas }, (_, other) => {
          const host = other === ordinal ? '0.0.0.0' : `${name}-${other}.${headless.metadata?.name}`;
          return [`${name}-${other}`, host, host];
        }),
      );
      const [node] = topology.nodes;
      const ports = (containers[0].ports ?? []).map(({ containerPort }) => containerPort);
      assert.deepEqual([node.http.port, node.rpc.port], ports);
      digests.add(topologyDigest(topology));
    }
    assert.equal(digests.size, 1);
  });

  test('a pod that belongs to no set is told so', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [path.join(KUBERNETES, 'make-topology.mjs'), path.join(folder, 'none.json')],
      { env: { POD_NAME: 'quorate', NODES: '3', SERVICE: 'quorate-nodes' }, encoding: 'utf8' },
    );
    assert.equal(status, 1);
    assert.match(stderr, /POD_NAME must be that of a pod of a StatefulSet/);
  });
});

describe('docker', () => {
  const text = textOf('docker', 'Dockerfile');

  test('the Dockerfile has no fault, and would be told if it had one', () => {
    assert.deepEqual(
      validate(text).map(({ message }) => message),
      [],
    );
    assert.ok(validate(text.replace('HEALTHCHECK --interval', 'HEALTHCHECK --often')).length > 0);
  });

  test('a container runs as a user who is not root, with flags that there are', () => {
    assert.match(text, /^USER node$/m);
    assertServes(JSON.parse(/^CMD (\[.*\])$/m.exec(text)?.[1] as string) as string[]);
  });
});

const ANALYZE = 'systemd-analyze';
const canAnalyze = spawnSync(ANALYZE, ['--version']).status === 0;

describe('systemd', () => {
  const text = textOf('systemd', 'quorate@.service');

  test('a node is started with flags that there are', () => {
    const [, program, rest] = /^ExecStart=(\S+) (.*)$/m.exec(text) ?? [];
    assert.equal(path.basename(program), 'quorate');
    assertServes(rest.split(' '));
  });

  test('a node is started again however often it fails', () => {
    const [unit] = text.split('[Service]');
    assert.match(unit, /^StartLimitIntervalSec=0$/m);
    assert.match(text, /^Restart=on-failure$/m);
  });

  test('systemd finds no fault in the unit', { skip: !canAnalyze }, () => {
    const verdict = (unit: string): string => {
      const file = path.join(folder, 'quorate@node-1.service');
      // The program that it names is not installed here.
      writeFileSync(file, unit.replace(/^(ExecStart=)\S+/m, `$1${process.execPath}`));
      const { status, stderr } = spawnSync(ANALYZE, ['verify', '--man=no', file], { encoding: 'utf8' });
      return `${status} ${stderr
        .split('\n')
        .filter((line) => line.includes('quorate@'))
        .join('\n')}`;
    };
    assert.equal(verdict(text), '0 ');
    assert.match(verdict(text.replace('KillMode=mixed', 'KillMode=mixd')), /Failed to parse kill mode/);
  });
});
