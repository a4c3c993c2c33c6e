import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { type NodeChild, nodeSpawner } from '../../../../../src/cli/serve/child-process.ts';
import type { NodeConfig } from '../../../../../src/cli/serve/node-protocol.ts';
import { defaultNodeSettings } from '../../../../../src/config.ts';
import { fakeNodeProcess, supervisorProcess } from '../../../../support/process-paths.ts';

/** A node process and everything heard of it. */
class Watched {
  readonly events: string[] = [];
  readonly child: NodeChild;
  readonly #ended = Promise.withResolvers<void>();
  readonly #ready = Promise.withResolvers<void>();

  constructor(nodeId: string, entry = fakeNodeProcess) {
    this.child = nodeSpawner(entry)(nodeId, {
      onMessage: (message) => {
        this.events.push(message.type === 'failed' ? `failed: ${message.message}` : message.type);
        if (message.type === 'ready') {
          this.#ready.resolve();
        }
      },
      onEnd: (how) => {
        this.events.push(how);
        this.#ended.resolve();
      },
    });
    this.child.send({ type: 'start', config: { nodeId, settings: defaultNodeSettings() } as NodeConfig });
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }
}

describe('a node process', { concurrency: true }, () => {
  it('serves until it is drained, and says so', async () => {
    const node = new Watched('node-1');
    await node.ready;
    node.child.send({ type: 'drain' });
    node.child.send({ type: 'drain' });
    await node.ended;
    assert.deepEqual(node.events, ['ready', 'draining', 'stopped', 'exit code 0']);
  });

  it('drains on a signal of its own too', async () => {
    const node = new Watched('node-1');
    await node.ready;
    process.kill(node.child.pid, 'SIGTERM');
    await node.ended;
    assert.deepEqual(node.events, ['ready', 'draining', 'stopped', 'exit code 0']);
  });

  it('says why it does not start, before its end is reported', async () => {
    const node = new Watched('refuses');
    await node.ended;
    assert.deepEqual(node.events, ['failed: the folder belongs to another node', 'exit code 1']);
  });

  it('that the system does not even start is reported like one that has ended', async () => {
    const node = new Watched('node-1', 'no such\0name');
    assert.deepEqual(node.events, [], 'never before whoever starts it knows of it');
    await node.ended;
    assert.match(node.events.join(), /^the process does not start: .*null bytes/);
    assert.equal(node.child.pid, 0);
    node.child.kill();
  });

  it('that ends by a signal is reported with that signal', async () => {
    const node = new Watched('crashes');
    await node.ended;
    assert.deepEqual(node.events, ['SIGKILL']);
  });

  it('that hangs can be killed', async () => {
    const node = new Watched('hangs');
    await node.ready;
    node.child.send({ type: 'drain' });
    node.child.kill();
    await node.ended;
    assert.equal(node.events.at(-1), 'SIGKILL');
  });

  it('is not told anything once it is gone, and nobody minds', async () => {
    const node = new Watched('node-1');
    await node.ready;
    node.child.kill();
    await node.ended;
    node.child.send({ type: 'drain' });
    node.child.kill();
    assert.deepEqual(node.events, ['ready', 'SIGKILL']);
  });

  it('ends with its supervisor, even one that is killed', { timeout: 120_000 }, async () => {
    const supervisor = spawn(process.execPath, [supervisorProcess, 'node-1', 'node-2'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pids] = await once(supervisor.stdout.setEncoding('utf8'), 'data');
    assert.equal(JSON.parse(pids).length, 2);
    supervisor.stdout.resume();
    supervisor.kill('SIGKILL');
    // The nodes have the same stdout: it closes when the last of them is gone.
    await once(supervisor, 'close');
  });
});
