/** Outputs that cannot be written: a full disk (/dev/full is one) and a pipe that nobody reads. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { freePortRow } from '../support/ports.ts';
import { commandProcess, program } from '../support/process-paths.ts';
import { quietEnvironment, runCli } from '../support/run-cli.ts';
import { until } from '../support/until.ts';
import { WarmCommands } from '../support/warm-commands.ts';

const TIMEOUT_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'quorate-output-'));
const commands = new WarmCommands();
after(() => {
  commands[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Where nothing fits, ever. */
function openFull(): number {
  return openSync('/dev/full', 'w');
}

/** A pipe that is full and not read, as a log reader that stalls leaves it. */
function openStalledPipe(name: string): Disposable & { readonly fd: number } {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  const keptOpen = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(keptOpen, Buffer.alloc(4096, 'x'));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
  }
  const fd = openSync(path, constants.O_RDWR);
  return {
    fd,
    [Symbol.dispose]() {
      closeSync(fd);
      closeSync(keptOpen);
    },
  };
}

describe('serve whose stderr takes nothing', { timeout: 240_000, skip: process.platform !== 'linux' }, () => {
  async function start(
    data: string,
    stderr: number,
  ): Promise<{ child: ChildProcess; port: number; said: () => string }> {
    const [port] = await freePortRow(2);
    const args = ['serve', '--nodes', '2', '--port', `${port}`, '--data', join(folder, data), '--restart'];
    const child = spawn(process.execPath, [program, ...args], {
      env: quietEnvironment(),
      stdio: ['ignore', 'pipe', stderr],
    });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
    await until(
      () => output.includes('Ctrl-C stops.'),
      TIMEOUT_MS,
      () => `serve said: ${output}`,
    );
    return { child, port, said: () => output };
  }

  async function putThrough(port: number): Promise<void> {
    const url = `http://127.0.0.1:${port}`;
    const put = await commands.run(['put', 'key', '--value', 'value', '--ack', '1', '--url', url]);
    assert.equal(put.exitCode, 0, put.stderr);
  }

  /** A node dies, which the supervisor reports and the other node logs; both go on, and all ends as it should. */
  async function liveThroughADeath(data: string, stderr: number): Promise<void> {
    const { child, port, said } = await start(data, stderr);
    await putThrough(port);
    const died = Number(/^node-2 .* pid (\d+)/m.exec(said())?.[1]);
    process.kill(died, 'SIGKILL');
    await until(
      async () =>
        (await commands.run(['status', '--json', '--url', `http://127.0.0.1:${port + 1}`])).exitCode === 0,
      TIMEOUT_MS,
      () => 'node-2 was not brought back',
    );
    await putThrough(port);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.match(said(), /All is synced and closed\.\n$/);
  }

  it('goes on over a full disk', async () => {
    const fd = openFull();
    try {
      await liveThroughADeath('full', fd);
    } finally {
      closeSync(fd);
    }
  });

  it('goes on over a reader that stalls', async () => {
    using pipe = openStalledPipe('stalled');
    await liveThroughADeath('stalled-data', pipe.fd);
  });
});

describe('results that cannot be written', { timeout: 240_000, skip: process.platform !== 'linux' }, () => {
  let serve: ChildProcess;
  let url = '';
  const data = join(folder, 'results');
  const stopped = join(folder, 'stopped');

  before(async () => {
    const filled = await commands.run(['fill', '--nodes', '1', '--size', '2MiB', '--data', stopped]);
    assert.equal(filled.exitCode, 0, filled.stderr);
    const [port] = await freePortRow(1);
    url = `http://127.0.0.1:${port}`;
    const args = ['serve', '--nodes', '1', '--port', `${port}`, '--data', data];
    serve = spawn(process.execPath, [program, ...args], {
      env: quietEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    serve.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
    });
    await until(
      () => output.includes('Ctrl-C stops.'),
      TIMEOUT_MS,
      () => output,
    );
    for (const [key, value] of [
      ['small', 'value'],
      ['large', 'v'.repeat(900_000)],
    ]) {
      const put = await runCli(['put', key, '--url', url], { input: value });
      assert.equal(put.exitCode, 0, put.stderr);
    }
  });

  after(async () => {
    serve.kill('SIGTERM');
    await once(serve, 'exit');
  });

  const node = join(stopped, 'node-1');
  const withPlaces = (command: readonly string[]): readonly string[] =>
    command.at(-1) === '--url' ? [...command, url] : command;
  const nameOf = (command: readonly string[]): string =>
    command.filter((word) => word !== node && word !== '--url').join(' ');
  const failsToWrite = (exitCode: number | null, stderr: string): void => {
    assert.match(stderr, /quorate: the output could not be written \(ENOSPC[^\n]*\n$/);
    assert.doesNotMatch(stderr, /\n {4}at /);
    assert.equal(exitCode, 7);
  };

  for (const command of [['--help'], ['get', 'large', '--url']]) {
    it(`${nameOf(command)}, a process of its own: exit code and sentence say so`, async () => {
      const fd = openFull();
      try {
        const child = spawn(process.execPath, [program, ...withPlaces(command)], {
          env: quietEnvironment(),
          stdio: ['ignore', fd, 'pipe'],
        });
        const [stderr, [exitCode]] = await Promise.all([text(child.stderr!), once(child, 'exit')]);
        failsToWrite(exitCode, stderr);
      } finally {
        closeSync(fd);
      }
    });
  }

  const outputs: string[][] = [
    ['get', '--help'],
    ['get', 'small', '--url'],
    ['range', '--start', '', '--url'],
    ['range', '--start', '', '--msgpack', '--url'],
    ['status', '--url'],
    ['status', '--json', '--url'],
    ['lsm', 'stat', node],
    ['lsm', 'verify', node],
    ['lsm', 'verify', node, '--json'],
    ['lsm', 'dump', node],
    ['lsm', 'dump', node, '--file', 'CURRENT'],
    ['lsm', 'repair', node],
    ['lsm', 'compact', node],
  ];
  describe('one command after the other in one process', () => {
    let full: WarmCommands;
    before(() => {
      const fd = openFull();
      full = new WarmCommands(commandProcess, fd);
      closeSync(fd);
    });
    after(() => full[Symbol.dispose]());

    for (const command of outputs) {
      it(`${nameOf(command)}: exit code and sentence say so`, async () => {
        const { exitCode, stderr } = await full.run(withPlaces(command));
        failsToWrite(exitCode, stderr);
      });
    }
  });

  it('a reader that has seen enough is no fault', async () => {
    for (const args of [
      ['range', '--start', '', '--url', url],
      ['get', 'large', '--url', url],
      ['lsm', 'dump', node],
    ]) {
      const child = spawn(process.execPath, [program, ...args], {
        env: quietEnvironment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const exit = once(child, 'exit');
      await once(child.stdout!, 'data');
      child.stdout?.destroy();
      assert.deepEqual([await text(child.stderr!), (await exit)[0]], ['', 0]);
    }
  });
});
