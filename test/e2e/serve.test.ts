import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findOlderNode } from '../support/older-node.ts';
import { freePortRow } from '../support/ports.ts';
import { cli, program } from '../support/process-paths.ts';
import { quietEnvironment, runCli } from '../support/run-cli.ts';
import { until } from '../support/until.ts';
import { WarmCommands } from '../support/warm-commands.ts';

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 60_000;
/** What a node says while the other one has not started: a busy machine starts one seconds before the other. */
const STARTS_APART = /has been heard yet|does not know the time yet/;
const folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-serve-'));
const olderNode = findOlderNode();
const launchers: [string, string][] = [['the Node that is needed', process.execPath]];
if (olderNode !== undefined) {
  launchers.push(['an older Node', olderNode]);
}

const commands = new WarmCommands();
after(() => {
  Serve.killAll();
  commands[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The first of `count` ports in a row that are free. */
async function freePorts(count: number): Promise<number> {
  const [first] = await freePortRow(count);
  return first;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  try {
    await once(socket, 'connect');
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

/** `serve` with two nodes, as a terminal runs it: the leader of a process group. */
class Serve {
  stdout = '';
  stderr = '';
  readonly port: number;
  readonly data: string;
  /** How it ended; settles when no process of it is left, because all have its stdout. */
  readonly end: Promise<[number | null, NodeJS.Signals | null]>;
  readonly #process: ChildProcess;
  static readonly #running = new Set<ChildProcess>();

  private constructor(child: ChildProcess, port: number, data: string) {
    this.#process = child;
    this.port = port;
    this.data = data;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    Serve.#running.add(child);
    this.end = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        Serve.#running.delete(child);
        resolve([code, signal]);
      });
    });
  }

  /** What a test that failed has left: it would keep this process alive. */
  static killAll(): void {
    for (const { pid } of Serve.#running) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  }

  /** Returns when it says that all nodes serve. */
  static async start(
    [node, file]: readonly [node: string, file: string] = [process.execPath, program],
    ...flags: string[]
  ): Promise<Serve> {
    const port = await freePorts(2);
    const data = mkdtempSync(path.join(folder, 'data-'));
    const args = [file, 'serve', '--nodes', '2', '--port', String(port), '--data', data, ...flags];
    const child = spawn(node, args, {
      env: quietEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const serve = new Serve(child, port, data);
    await until(
      () => serve.stdout.includes('Ctrl-C stops.') || child.exitCode !== null,
      START_TIMEOUT_MS,
      () => serve.stdout + serve.stderr,
    );
    assert.equal(child.exitCode, null, serve.stderr);
    return serve;
  }

  /** The node's process, the latest that was announced. */
  pidOf(nodeId: string): number {
    const lines = (this.stdout + this.stderr).split('\n').filter((line) => line.includes(`${nodeId} `));
    return Number(lines.map((line) => /\bpid (\d+)/.exec(line)?.[1]).findLast((pid) => pid !== undefined));
  }

  pressCtrlC(): void {
    process.kill(-(this.#process.pid as number), 'SIGINT');
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async says(text: string): Promise<void> {
    await until(
      () => (this.stdout + this.stderr).includes(text),
      START_TIMEOUT_MS,
      () => `no "${text}" in: ${this.stdout}${this.stderr}`,
    );
  }
}

for (const [name, node] of launchers) {
  describe(`serve, launched by ${name}`, { timeout: 240_000 }, () => {
    it('prints where the nodes are, serves, and drains when Ctrl-C reaches the whole process group', async () => {
      const serve = await Serve.start([node, cli]);
      const url = `http://${HOST}:${serve.port + 1}`;
      const said = serve.stderr.split('\n').filter((line) => !STARTS_APART.test(line));
      assert.deepEqual(said, ['']);
      assert.match(
        serve.stdout,
        new RegExp(`^node-2 +${url} +rpc ${HOST}:\\d+ +data \\S*/node-2 +pid \\d+$`, 'm'),
      );
      const curls = serve.stdout.match(/^ {2}curl .*$/gm) ?? [];
      assert.equal(curls.length, 3);
      assert.deepEqual(readdirSync(serve.data).sort(), [
        'cluster.json',
        'cluster.lock',
        'cluster.secret',
        'node-1',
        'node-2',
      ]);
      const put = await commands.run(['put', 'key', '--value', 'value', '--url', url]);
      assert.equal(put.exitCode, 0, put.stderr);
      serve.pressCtrlC();
      assert.deepEqual(await serve.end, [0, null], serve.stderr);
      assert.equal(serve.stdout.match(/Draining/g)?.length, 1);
      assert.match(serve.stdout, /All is synced and closed\.\n$/);
    });

    // The same of the Node that is needed is tried below, at the end of another test.
    if (node === process.execPath) return;
    it('leaves no node behind when it is killed', async () => {
      const serve = await Serve.start([node, cli]);
      serve.kill();
      assert.deepEqual(await serve.end, [null, 'SIGKILL']);
    });
  });
}

describe('serve', { timeout: 240_000 }, () => {
  const everywhere = [['0.0.0.0', '127.0.0.1']];
  const own = Object.values(os.networkInterfaces()).flatMap((addresses) => addresses ?? []);
  if (own.some(({ address }) => address === '::1')) everywhere.push(['::', '[::1]']);
  for (const [host, fromHere] of everywhere) {
    it(`on ${host} prints what can be tried from this machine, and leaves no node behind when it is killed`, async () => {
      const serve = await Serve.start(undefined, '--host', host);
      const urls = [...serve.stdout.matchAll(/^ {2}curl .*'(http:.*)'$/gm)].map(([, url]) => url);
      assert.deepEqual(
        urls.map((url) => new URL(url).host),
        [0, 1, 0].map((node) => `${fromHere}:${serve.port + node}`),
      );
      const [put, get, remove] = urls;
      assert.equal((await fetch(put, { method: 'PUT', body: 'hello' })).status, 201);
      assert.equal(await (await fetch(get)).text(), 'hello');
      assert.equal((await fetch(remove, { method: 'DELETE' })).status, 202);
      serve.kill();
      assert.deepEqual(await serve.end, [null, 'SIGKILL']);
    });
  }

  it('reports a node that died, goes on with the others, and ends when none is left', async () => {
    const serve = await Serve.start();
    process.kill(serve.pidOf('node-1'), 'SIGKILL');
    await serve.says('node-1 died (SIGKILL) and stays down: --restart would bring it back');
    const status = await commands.run(['status', '--url', `http://${HOST}:${serve.port + 1}`]);
    assert.match(String(status.stdout), /^node-1 .* unreachable: nothing listens/m);
    process.kill(serve.pidOf('node-2'), 'SIGKILL');
    assert.deepEqual(await serve.end, [1, null]);
    assert.match(serve.stderr, /quorate: no node is left: [^\n]*\n$/);
  });

  it('brings a node back with --restart, at the addresses it had', async () => {
    const serve = await Serve.start(undefined, '--restart');
    const url = `http://${HOST}:${serve.port}`;
    const first = serve.pidOf('node-1');
    const put = await commands.run(['put', 'key', '--value', 'kept', '--ack', '2', '--url', url]);
    assert.equal(put.exitCode, 0, put.stderr);
    process.kill(first, 'SIGKILL');
    await serve.says(`node-1 serves again at ${url} (pid `);
    assert.notEqual(serve.pidOf('node-1'), first);
    const get = await commands.run(['get', 'key', '--ack', '2', '--url', url]);
    assert.equal(String(get.stdout), 'kept', get.stderr);
    serve.pressCtrlC();
    assert.deepEqual(await serve.end, [0, null], serve.stderr);
  });

  it('answers an upload that was under way on every node, whichever was idle, and loses no node meanwhile', async () => {
    const serve = await Serve.start();
    const socket = connect(serve.port, HOST);
    await once(socket, 'connect');
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    const head =
      'PUT /v0/entity?id=slow&ack=2&from=2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n';
    socket.write(`${head}first`);
    // Its answer says that the node has read what was sent before.
    const status = await commands.run(['status', '--url', `http://${HOST}:${serve.port}`]);
    assert.equal(status.exitCode, 0, status.stderr);
    serve.pressCtrlC();
    await serve.says('Draining');
    // The other node has nothing to do and could end at once, but it must not: it takes no more clients of its own.
    await until(
      () => isRefused(serve.port + 1),
      START_TIMEOUT_MS,
      () => serve.stderr,
    );
    socket.write('after');
    await once(socket, 'close');
    assert.match(answer, /^HTTP\/1\.1 201 /);
    assert.deepEqual(await serve.end, [0, null], serve.stderr);
    assert.doesNotMatch(serve.stderr, /Lost node/);
  });

  it('ends at once at a second Ctrl-C, and kills what hangs', async () => {
    const serve = await Serve.start();
    process.kill(serve.pidOf('node-1'), 'SIGSTOP');
    serve.pressCtrlC();
    await serve.says('Draining');
    // Node 2 has ended by itself; only the frozen one is left to wait for.
    await until(
      () => !isAlive(serve.pidOf('node-2')),
      START_TIMEOUT_MS,
      () => serve.stderr,
    );
    serve.pressCtrlC();
    assert.deepEqual(await serve.end, [1, null]);
    assert.match(serve.stderr, /quorate: killed, or ended with an error: node-1\b/);
  });

  it('keeps its data and its addresses from one run to the next', async () => {
    const serve = await Serve.start();
    const args = ['serve', '--nodes', '2', '--port', String(serve.port), '--data', serve.data];
    const second = await runCli(args);
    assert.deepEqual(
      [second.exitCode, second.stderr],
      [
        1,
        `quorate: port ${serve.port} of ${HOST} is in use: stop what listens there or choose another with --port or --host\n`,
      ],
    );
    const elsewhere = await runCli([...args, '--port', String(await freePorts(2))]);
    assert.equal(elsewhere.exitCode, 1);
    assert.match(elsewhere.stderr, /^quorate: [^\n]*in use by another serve[^\n]*\n$/);
    const fewer = await runCli([...args, '--nodes', '1', '--port', String(await freePorts(1))]);
    assert.match(fewer.stderr, /^quorate: [^\n]* cluster of 2 nodes: use --nodes 2 [^\n]*\n$/);
    serve.pressCtrlC();
    assert.deepEqual(await serve.end, [0, null], serve.stderr);
  });

  describe('refuses in one sentence, and touches nothing', () => {
    let port = 0;
    before(async () => {
      port = await freePorts(2);
    });
    const cases: [string, string[], RegExp][] = [
      ['a wrong flag', ['--prot', '1'], /unknown option '--prot'/],
      [
        'a wrong value',
        ['--max-value-size', '17MiB'],
        /--max-value-size '17MiB' is wrong: expected at least/,
      ],
      ['a file as folder', ['--data', cli], /cannot be used/],
      ['a folder of something else', ['--data', path.dirname(cli)], /holds something else/],
      ['an address of another machine', ['--host', '192.0.2.1'], /is no address of this machine/],
      ['a topology without a node', ['--topology', 'cluster.json'], /--topology and --node belong together/],
      ['a missing topology', ['--topology', '/no/such.json', '--node', 'a'], /cannot be read/],
    ];
    for (const [name, flags, sentence] of cases) {
      it(name, async () => {
        const data = path.join(folder, 'untouched');
        const place = flags.includes('--topology') ? [] : ['--nodes', '2', '--port', String(port)];
        const { exitCode, stdout, stderr } = await commands.run([
          'serve',
          ...place,
          '--data',
          data,
          ...flags,
        ]);
        assert.deepEqual([exitCode, String(stdout)], [1, '']);
        assert.match(stderr, /^quorate: [^\n]+\n$/);
        assert.match(stderr, sentence);
        assert.equal(existsSync(data), false);
      });
    }
  });
});
