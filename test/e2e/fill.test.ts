import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { type DumpedRecord, loadOfflineTools, NodeFileSystem } from '../../native-free-lsm/index.ts';
import { fillValue } from '../../src/cli/fill/values.ts';
import { TestNode } from '../support/cluster.ts';
import { HttpClient } from '../support/http.ts';
import { freePortRow } from '../support/ports.ts';
import { program } from '../support/process-paths.ts';
import { quietEnvironment, runCli } from '../support/run-cli.ts';
import { until } from '../support/until.ts';
import { WarmCommands } from '../support/warm-commands.ts';

let directory = '';
let data = '';
/** Killed at the end of a test that failed before it did so itself. */
let left: ChildProcess | undefined;

const commands = new WarmCommands();
after(() => commands[Symbol.dispose]());

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-fill-'));
  data = join(directory, 'data');
});

afterEach(() => {
  left?.kill('SIGKILL');
  left = undefined;
  rmSync(directory, { recursive: true });
});

async function fill(...args: string[]): Promise<{ keys: number; live: number; disk: number }> {
  const { exitCode, stdout, stderr } = await commands.run(['fill', '--data', data, ...args]);
  assert.equal(exitCode, 0, stderr);
  const figure = (name: string): number =>
    Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(String(stdout))?.[1]);
  assert.match(String(stdout), /^rate +\d+ MB\/s$/m);
  return { keys: figure('keys'), live: figure('live'), disk: figure('on disk') };
}

async function refuses(args: readonly string[], sentence: RegExp): Promise<void> {
  const before = existsSync(data) ? readdirSync(data, { recursive: true }) : undefined;
  const { exitCode, stdout, stderr } = await commands.run(['fill', '--data', data, ...args]);
  assert.deepEqual([exitCode, String(stdout)], [1, '']);
  assert.match(stderr, sentence);
  assert.match(stderr, /^quorate: [^\n]*\n$/);
  assert.deepEqual(existsSync(data) ? readdirSync(data, { recursive: true }) : undefined, before);
}

/** Reads sampled keys back through every node of the cluster that `serve` starts with the same flags. */
async function readBack(nodes: number, from: number, keys: number, valueBytes: number, seed: number) {
  const ports = await freePortRow(nodes);
  const args = ['serve', '--nodes', String(nodes), '--data', data, '--port', String(ports[0])];
  const cluster = new TestNode('cluster', ports[0], data, args);
  using client = new HttpClient();
  await cluster.start();
  try {
    for (let i = 0; i < 120; i++) {
      const number = 1 + Math.floor((i * (keys - 1)) / 119);
      const port = ports[i % nodes];
      const answer = await client.get(port, `key${number}`, { ack: from, from });
      assert.equal(answer.status, 200, `key${number} at node ${i % nodes}`);
      assert.deepEqual(answer.body, Buffer.from(fillValue(seed, number, valueBytes)));
    }
    assert.equal((await client.get(ports[0], `key${keys + 1}`, { ack: from, from })).status, 404);
  } finally {
    await cluster.stop();
  }
}

/** A fill that has begun to write and would take long. */
async function startLongFill(): Promise<ChildProcess> {
  const args = ['fill', '--data', data, '--nodes', '1', '--size', '4GiB'];
  const child = spawn(process.execPath, [program, ...args], {
    env: quietEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  left = child;
  const engine = join(data, 'node-1', 'engine');
  await until(
    () => existsSync(engine) && readdirSync(engine).some((name) => name.endsWith('.tmp')),
    60_000,
    () => 'the fill writes nothing',
  );
  return child;
}

describe('fill', { timeout: 120_000 }, () => {
  it('gives each node its size, and every sampled key reads back', async () => {
    const { keys, live, disk } = await fill('--size', '4MiB', '--seed', '5');
    assert.ok(live >= 3 * 4 * 2 ** 20 && live < 3 * 4 * 2 ** 20 + 6 * 1024);
    assert.ok(disk > live && disk < live * 1.03, `${disk} bytes on disk for ${live}`);
    await readBack(3, 3, keys, 1024, 5);
  });

  it('places keys where requests with a smaller from look for them', async () => {
    const { keys } = await fill('--size', '1MiB', '--nodes', '3', '--from', '2', '--value-size', '300');
    await readBack(3, 2, keys, 300, 1);
  });

  async function entriesOf(id: string): Promise<DumpedRecord[]> {
    const { dumpEntries } = await loadOfflineTools();
    return Array.from(dumpEntries(new NodeFileSystem(), join(data, id, 'engine'), {}, 0));
  }

  it('fills the nodes of a topology apart as it would together', async () => {
    const ids = ['berlin', 'paris', 'rome'];
    const nodes = ids.map((id, i) => ({
      id,
      http: `127.0.0.1:${i + 1}`,
      rpc: `127.0.0.1:${i + 11}`,
      zone: id,
    }));
    const file = join(directory, 'topology.json');
    writeFileSync(file, JSON.stringify({ cluster: 'shop', placement: 'spread', nodes }));
    const flags = ['--size', '256KiB', '--from', '2', '--topology', file];
    const together = await fill(...flags);
    const entries = await Promise.all(ids.map(entriesOf));
    let live = 0;
    rmSync(data, { recursive: true });
    for (const [i, id] of ids.entries()) {
      live += (await fill(...flags, '--node', id)).live;
      // The tables differ in one thing, the secret with which each fill hashes keys for their filters.
      assert.deepEqual(await entriesOf(id), entries[i]);
    }
    assert.equal(live, together.live);
  });

  it('that was interrupted says so, is named by serve, and starts over', async () => {
    const child = await startLongFill();
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.kill('SIGINT');
    assert.deepEqual(await once(child, 'close'), [130, null]);
    assert.match(
      stderr,
      /quorate: interrupted; its folders in .* are marked as unfinished: run fill again, or delete them\n$/,
    );
    const served = await runCli([
      'serve',
      '--nodes',
      '1',
      '--data',
      data,
      '--port',
      String((await freePortRow(1))[0]),
    ]);
    assert.equal(served.exitCode, 1);
    assert.match(served.stderr, /did not finish: run fill again, or delete the folder/);
    const { keys } = await fill('--size', '1MiB', '--nodes', '1');
    await readBack(1, 1, keys, 1024, 1);
  });

  it('that was killed starts over', async () => {
    const child = await startLongFill();
    child.kill('SIGKILL');
    await once(child, 'close');
    await fill('--size', '1MiB', '--nodes', '1');
    const tables = readdirSync(join(data, 'node-1', 'engine')).filter(
      (name) => !/^(?:\d+\.sst|CURRENT|MANIFEST-\d+|LOCK)$/.test(name),
    );
    assert.deepEqual(tables, []);
    await refuses(['--size', '1MiB', '--nodes', '1'], /holds data already/);
  });

  it('refuses what makes no sense in one sentence, and touches nothing', async () => {
    await refuses(['--from', '4'], /--from 4 is too many: in a cluster of 3 a key has at most 3 replicas/);
    await refuses(['--size', 'much'], /--size 'much' is wrong/);
    await refuses(['--value-size', '2MiB'], /--value-size '2MiB' is wrong/);
    await refuses(['--size', '60TiB', '--value-size', '1MiB'], /needs about .* has .* left/);
    await refuses(['--node', 'berlin'], /--node belongs to --topology/);
    await refuses(['--topology', join(directory, 'none.json')], /topology file cannot be read/);
    await refuses(['--topology', 'x.json', '--nodes', '4'], /--nodes has no meaning with --topology/);
    await refuses(['--sise', '1GiB'], /unknown option/);
  });

  it('has a manual', async () => {
    const { exitCode, stdout } = await commands.run(['fill', '--help']);
    assert.equal(exitCode, 0);
    for (const part of [
      '--size <size>',
      '(default: 1GiB)',
      'QUORATE_VALUE_SIZE',
      'Examples:',
      'Exit codes:',
    ]) {
      assert.ok(String(stdout).includes(part), `the manual does not have ${part}`);
    }
  });
});
