/**
 * What happens to a data folder with real processes: two starts at once, permissions, files that are lost or put back.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, it } from 'node:test';
import { HttpClient } from '../support/http.ts';
import { freePortRow } from '../support/ports.ts';
import { cli, program } from '../support/process-paths.ts';
import { quietEnvironment, runCli } from '../support/run-cli.ts';
import { until, untilPrinted } from '../support/until.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-folders-'));
const hasModes = process.platform !== 'win32';
const children: ChildProcess[] = [];

after(() => {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(root, { recursive: true, force: true });
});

/** `serve` of one node. */
class Serve {
  output = '';
  readonly port: number;
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(data: string, port: number) {
    this.port = port;
    const args = [program, 'serve', '--nodes', '1', '--port', String(port), '--data', data];
    this.#child = spawn(process.execPath, args, {
      env: quietEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.ended = new Promise((resolve) => this.#child.on('close', resolve));
  }

  get serves(): boolean {
    return this.output.includes('Ctrl-C stops.');
  }

  /** Resolves when it serves or has ended. */
  async settled(): Promise<void> {
    const isSettled = () => this.serves || this.#child.exitCode !== null;
    await until(isSettled, 30_000, () => `neither serves nor ends: ${this.output}`);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    assert.equal(await this.ended, 0, this.output);
  }
}

async function started(data: string): Promise<Serve> {
  const [port] = await freePortRow(1);
  const serve = new Serve(data, port);
  await serve.settled();
  assert.ok(serve.serves, serve.output);
  return serve;
}

async function clusterOf({ port }: Serve): Promise<string> {
  using client = new HttpClient();
  const { node } = (await client.status(port)) as unknown as { node: { cluster: string } };
  return node.cluster;
}

function clusterFile(data: string): { clusterId: string } {
  return JSON.parse(fs.readFileSync(path.join(data, 'cluster.json'), 'utf8'));
}

it('of two serve at the same moment on a new folder one serves, under the id that is kept there', async () => {
  for (let round = 0; round < 3; round++) {
    const data = path.join(root, `twice-${round}`, 'data');
    const ports = (await freePortRow(2)).slice(0, 2);
    const both = ports.map((port) => new Serve(data, port));
    await Promise.all(both.map((serve) => serve.settled()));
    const [winner, ...others] = both.filter(({ serves }) => serves);
    assert.ok(winner !== undefined && others.length === 0, both.map(({ output }) => output).join('\n'));
    const loser = both.find((serve) => serve !== winner)!;
    assert.equal(await loser.ended, 1);
    assert.match(loser.output, /in use by another serve: stop that one first/);
    const { clusterId } = clusterFile(data);
    assert.equal(await clusterOf(winner), clusterId);
    await winner.stop();
    if (round > 0) continue;
    const again = await started(data);
    assert.equal(await clusterOf(again), clusterId);
    await again.stop();
  }
});

it('nothing in a data folder is for other users, whatever the umask; what was is taken back at the start', {
  skip: !hasModes && 'Windows has no such bits',
}, async () => {
  const data = path.join(root, 'rights', 'data');
  const before = process.umask(0);
  const serve = await started(data).finally(() => process.umask(before));
  using client = new HttpClient();
  assert.equal((await client.put(serve.port, 'key', 'value')).status, 201);
  const open = () => {
    const names = ['.', ...(fs.readdirSync(data, { recursive: true }) as string[])];
    return names.filter((name) => (fs.statSync(path.join(data, name)).mode & 0o077) !== 0);
  };
  assert.deepEqual(open(), []);
  await serve.stop();
  const node = path.join(data, 'node-1');
  for (const name of ['.', ...(fs.readdirSync(node, { recursive: true }) as string[])]) {
    const file = path.join(node, name);
    fs.chmodSync(file, fs.statSync(file).isDirectory() ? 0o755 : 0o644);
  }
  const again = await started(data);
  await untilPrinted(again, /Other users could read the data folder/);
  assert.deepEqual(open(), []);
  await again.stop();
});

it('a cluster.json that is lost is made again, with the id that the nodes have', async () => {
  const data = path.join(root, 'lost', 'data');
  const serve = await started(data);
  using client = new HttpClient();
  assert.equal((await client.put(serve.port, 'key', 'value')).status, 201);
  await serve.stop();
  const before = clusterFile(data);
  fs.rmSync(path.join(data, 'cluster.json'));
  const again = await started(data);
  await untilPrinted(again, /cluster\.json was missing and is made again/);
  assert.deepEqual(clusterFile(data), before);
  assert.equal((await client.get(again.port, 'key')).body.toString(), 'value');
  await again.stop();
});

it('compiled code is not cached where others can write', {
  skip: !hasModes && 'Windows has no such bits',
}, async () => {
  const copy = path.join(root, 'copy');
  for (const part of ['cli.ts', 'package.json', 'src'])
    fs.cpSync(path.join(path.dirname(cli), part), path.join(copy, part), { recursive: true });
  const shared = path.join(copy, 'node_modules', '.cache', 'quorate');
  fs.mkdirSync(shared, { recursive: true });
  fs.chmodSync(shared, 0o777);
  const [cache, temporary] = [path.join(root, 'cache'), path.join(root, 'temporary')];
  fs.mkdirSync(temporary);
  // Whoever names a folder for it has chosen: here nobody has.
  const environment = { XDG_CACHE_HOME: cache, TMPDIR: temporary, NODE_COMPILE_CACHE: undefined };
  await runCli(['--version'], { environment, program: path.join(copy, 'cli.ts') });
  assert.deepEqual(fs.readdirSync(shared), []);
  assert.deepEqual(fs.readdirSync(temporary), []);
  assert.equal(fs.statSync(path.join(cache, 'quorate')).mode & 0o777, 0o700);
  fs.chmodSync(path.join(cache, 'quorate'), 0o777);
  await runCli(['--version'], { environment, program: path.join(copy, 'cli.ts') });
  assert.deepEqual(fs.readdirSync(temporary), [], 'not in the folder that everybody can write to');
});
