import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findOlderNode } from '../support/older-node.ts';
import { cli } from '../support/process-paths.ts';
import { quietEnvironment, runCli } from '../support/run-cli.ts';

const root = path.dirname(cli);
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const olderNode = findOlderNode();
const nodes: [string, string][] = [['the Node that is needed', process.execPath]];
if (olderNode !== undefined) {
  nodes.push(['an older Node', olderNode]);
}

/** A node that never answers. */
const silent = createServer();
let silentUrl = '';

before(async () => {
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
});

after(() => {
  silent.close();
});

interface Endless {
  /** The leader of a process group, as what a terminal runs is. */
  readonly launcher: ChildProcess;
  /** The command's request, which ends with the command. */
  readonly request: Socket;
}

/** A command that waits for an answer which never comes. Returns once it waits. */
async function startEndless(node: string): Promise<Endless> {
  const launcher = spawn(node, [cli, 'get', 'key', '--url', silentUrl], {
    env: quietEnvironment(),
    stdio: 'ignore',
    detached: true,
  });
  const [request] = (await once(silent, 'connection')) as [Socket];
  request.on('error', () => undefined);
  request.resume();
  return { launcher, request };
}

/** How the launcher ended, once the command is gone as well. */
async function endOf({ launcher, request }: Endless): Promise<unknown[]> {
  const [end] = await Promise.all([once(launcher, 'exit'), once(request, 'close')]);
  return end;
}

const UNSHARE = ['-Urpf', '--kill-child', '--mount-proc'];
const canBeFirst = spawnSync('unshare', [...UNSHARE, 'true']).status === 0;

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

/** The same command in a process namespace of its own, where the launcher is process 1. */
async function startFirst(node: string): Promise<{ pid: number; request: Socket; unshare: ChildProcess }> {
  const unshare = spawn('unshare', [...UNSHARE, node, cli, 'get', 'key', '--url', silentUrl], {
    env: quietEnvironment(),
    stdio: 'ignore',
  });
  const [request] = (await once(silent, 'connection')) as [Socket];
  request.on('error', () => undefined);
  request.resume();
  return { pid: childrenOf(unshare.pid as number)[0], request, unshare };
}

for (const [name, node] of nodes) {
  describe(`the launcher, run by ${name}`, { timeout: 120_000 }, () => {
    it('goes on without a word of its own', async () => {
      const { exitCode, stdout, stderr } = await runCli(['--version'], { node, program: cli });
      assert.deepEqual([exitCode, String(stdout), stderr], [0, `${version}\n`, '']);
    });

    it('passes on arguments and exit codes', async () => {
      const args = ['get', 'a key', '--url', 'http://127.0.0.1:1'];
      const { exitCode, stderr } = await runCli(args, { node, program: cli });
      assert.equal(exitCode, 5);
      assert.match(stderr, /^quorate: nothing listens at http:\/\/127.0.0.1:1: [^\n]*\n$/);
    });

    it('passes on stdin', async () => {
      const { exitCode, stderr } = await runCli(['put', 'key'], {
        node,
        program: cli,
        input: Buffer.alloc(17 * 2 ** 20),
      });
      assert.deepEqual([exitCode, /longer than 16MiB/.test(stderr)], [1, true]);
    });

    it('says what to run when nothing is installed', async () => {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-launcher-'));
      try {
        for (const part of ['cli.ts', 'package.json', 'src']) {
          cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
        }
        const program = path.join(folder, 'cli.ts');
        const { exitCode, stderr } = await runCli(['serve'], { node, program });
        assert.equal(exitCode, 1);
        assert.match(stderr, /^quorate: [^\n]*run `npm ci` in [^\n]*\n$/);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      it(`ends by the ${signal} that ends the command`, async () => {
        const endless = await startEndless(node);
        endless.launcher.kill(signal);
        assert.deepEqual(await endOf(endless), [null, signal]);
      });
    }

    it('ends with all it started when a terminal sends Ctrl-C to its process group', async () => {
      const endless = await startEndless(node);
      process.kill(-(endless.launcher.pid as number), 'SIGINT');
      assert.deepEqual(await endOf(endless), [null, 'SIGINT']);
    });

    it('starts under what NODE_OPTIONS loads first', async () => {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-preload-'));
      try {
        const preload = path.join(folder, 'preload.cjs');
        writeFileSync(preload, 'process.title = "preloaded";');
        const environment = { NODE_OPTIONS: `--require=${preload}` };
        const { exitCode, stdout, stderr } = await runCli(['--version'], { node, program: cli, environment });
        assert.deepEqual([exitCode, String(stdout), stderr], [0, `${version}\n`, '']);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    describe('as the first process of a container', { skip: !canBeFirst }, () => {
      for (const [signal, code] of [
        ['SIGTERM', 143],
        ['SIGINT', 130],
      ] as const) {
        it(`ends at ${signal}, which the kernel would keep from it`, async () => {
          const { pid, request, unshare } = await startFirst(node);
          process.kill(pid, signal);
          assert.deepEqual(await endOf({ launcher: unshare, request }), [code, null]);
        });
      }

      if (node === olderNode) {
        it('says by its exit code that the command was killed', async () => {
          const { pid, request, unshare } = await startFirst(node);
          process.kill(childrenOf(pid)[0], 'SIGKILL');
          assert.deepEqual(await endOf({ launcher: unshare, request }), [137, null]);
        });
      }
    });

    it('leaves nothing behind when it is killed', async () => {
      const endless = await startEndless(node);
      endless.launcher.kill('SIGKILL');
      assert.deepEqual(await endOf(endless), [null, 'SIGKILL']);
    });
  });
}
