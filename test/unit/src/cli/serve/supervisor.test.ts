import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChildListener, NodeChild } from '../../../../../src/cli/serve/child-process.ts';
import type {
  NodeConfig,
  NodeMessage,
  SupervisorMessage,
} from '../../../../../src/cli/serve/node-protocol.ts';
import { QUIET_PATIENCE_MS, Supervisor } from '../../../../../src/cli/serve/supervisor.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';

/** A node process that does what the test says. */
class FakeChild implements NodeChild {
  readonly pid: number;
  readonly nodeId: string;
  readonly #listener: ChildListener;
  readonly received: string[] = [];
  isKilled = false;

  constructor(pid: number, nodeId: string, listener: ChildListener) {
    this.pid = pid;
    this.nodeId = nodeId;
    this.#listener = listener;
  }

  send(message: SupervisorMessage): void {
    this.received.push(message.type);
  }

  kill(): void {
    this.isKilled = true;
  }

  says(message: NodeMessage): void {
    this.#listener.onMessage(message);
  }

  isReady(): void {
    const { nodeId } = this;
    this.says({ type: 'ready', httpUrl: `http://${nodeId}`, rpcAddress: nodeId, dataDirectory: nodeId });
  }

  ends(how = 'SIGKILL'): void {
    this.#listener.onEnd(how);
  }
}

class Fixture {
  readonly clock = new FakeClock();
  readonly children: FakeChild[] = [];
  readonly lines: string[] = [];
  readonly supervisor: Supervisor;
  readonly #nodeIds: readonly string[];

  constructor(nodes: number, restart = false) {
    this.#nodeIds = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);
    this.supervisor = new Supervisor(this.#nodeIds, {
      spawn: (nodeId, listener) => {
        const child = new FakeChild(100 + this.children.length, nodeId, listener);
        this.children.push(child);
        return child;
      },
      restart,
      clock: this.clock,
      // So close to 1 that every delay is the longest that may be drawn.
      random: () => 0.9999,
      report: (line) => this.lines.push(line),
    });
  }

  start(): ReturnType<Supervisor['start']> {
    return this.supervisor.start(this.#nodeIds.map((nodeId) => ({ nodeId }) as NodeConfig));
  }

  async serve(): Promise<void> {
    const serving = this.start();
    for (const child of this.children) {
      child.isReady();
    }
    await serving;
  }
}

/** Whether the promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  for (let turn = 0; turn < 5; turn++) {
    await Promise.resolve();
  }
  return settled;
}

describe('starting', () => {
  it('loads every process at once and tells it nothing before its configuration is known', () => {
    const fixture = new Fixture(3);
    const { children } = fixture;
    assert.deepEqual(
      children.map(({ nodeId, received }) => [nodeId, received]),
      [
        ['node-1', []],
        ['node-2', []],
        ['node-3', []],
      ],
    );
    void fixture.start();
    assert.deepEqual(
      children.map(({ received }) => received),
      [['start'], ['start'], ['start']],
    );
  });

  it('is done when the last node serves, and lists the nodes in order', async () => {
    const fixture = new Fixture(3);
    const { children } = fixture;
    const serving = fixture.start();
    children[2].isReady();
    children[0].isReady();
    assert.equal(await isSettled(serving), false);
    children[1].isReady();
    const nodes = await serving;
    assert.deepEqual(
      nodes.map(({ nodeId, pid, httpUrl }) => [nodeId, pid, httpUrl]),
      [
        ['node-1', 100, 'http://node-1'],
        ['node-2', 101, 'http://node-2'],
        ['node-3', 102, 'http://node-3'],
      ],
    );
  });

  it('fails with the first fault alone', async () => {
    const fixture = new Fixture(3);
    const { children, lines } = fixture;
    const serving = fixture.start();
    children[1].says({ type: 'failed', message: 'the folder is locked' });
    children[0].says({ type: 'failed', message: 'the folder is locked too' });
    children[1].ends('exit code 1');
    await assert.rejects(serving, { message: 'the folder is locked', exitCode: 1 });
    assert.deepEqual(lines, []);
  });

  it('fails when a process ends without a word, whether or not it would be restarted', async () => {
    const fixture = new Fixture(2, true);
    const { children } = fixture;
    const serving = fixture.start();
    children[1].ends('SIGSEGV');
    await assert.rejects(serving, { message: 'node-2 ended before it served (SIGSEGV)' });
    assert.equal(children.length, 2);
  });
});

describe('a node that dies', () => {
  it('is reported and stays down', async () => {
    const fixture = new Fixture(3);
    await fixture.serve();
    fixture.children[1].ends();
    fixture.clock.advance(60_000);
    assert.deepEqual(fixture.lines, ['node-2 died (SIGKILL) and stays down: --restart would bring it back']);
    assert.equal(fixture.children.length, 3);
    assert.equal(await isSettled(fixture.supervisor.allGone), false);
  });

  it('ends the cluster when it was the last', async () => {
    const fixture = new Fixture(2);
    await fixture.serve();
    fixture.children[1].ends();
    fixture.children[0].ends();
    await fixture.supervisor.allGone;
  });

  it('comes back at growing intervals when it may, with the configuration it had', async () => {
    const fixture = new Fixture(1, true);
    await fixture.serve();
    for (const [round, delayMs] of [100, 200, 400].entries()) {
      fixture.children[round].ends('exit code 1');
      fixture.clock.advance(delayMs - 1);
      assert.equal(fixture.children.length, round + 1);
      fixture.clock.advance(1);
      assert.equal(fixture.children.length, round + 2);
      assert.deepEqual(fixture.children[round + 1].received, ['start']);
    }
    fixture.children[3].isReady();
    assert.equal(await isSettled(fixture.supervisor.allGone), false);
    assert.deepEqual(fixture.lines.slice(2), [
      'node-1 died (exit code 1) and is started again in 400 ms',
      'node-1 serves again at http://node-1 (pid 103)',
    ]);
  });

  it('starts with the shortest interval again once it has served for a while', async () => {
    const fixture = new Fixture(1, true);
    await fixture.serve();
    fixture.children[0].ends();
    fixture.clock.advance(100);
    fixture.children[1].isReady();
    fixture.clock.advance(9_999);
    fixture.children[1].ends();
    fixture.clock.advance(200);
    fixture.children[2].isReady();
    fixture.clock.advance(10_000);
    fixture.children[2].ends();
    assert.deepEqual(
      fixture.lines.filter((line) => line.includes('died')).map((line) => /in (\d+) ms/.exec(line)?.[1]),
      ['100', '200', '100'],
    );
  });

  it('says why it cannot come back, and is tried again', async () => {
    const fixture = new Fixture(1, true);
    await fixture.serve();
    fixture.children[0].ends();
    fixture.clock.advance(100);
    fixture.children[1].says({ type: 'failed', message: 'the port is in use' });
    fixture.children[1].ends('exit code 1');
    assert.equal(fixture.lines[1], 'node-1 does not start: the port is in use');
    fixture.clock.advance(200);
    assert.equal(fixture.children.length, 3);
  });
});

describe('draining', () => {
  it('closes no node before all have answered their last clients', async () => {
    const fixture = new Fixture(3);
    await fixture.serve();
    void fixture.supervisor.drain(4_500);
    const [slow, ...others] = fixture.children;
    for (const child of others) child.says({ type: 'quiet' });
    assert.deepEqual(
      fixture.children.map(({ received }) => received),
      Array(3).fill(['start', 'quiesce']),
    );
    slow.says({ type: 'quiet' });
    assert.deepEqual(
      fixture.children.map(({ received }) => received),
      Array(3).fill(['start', 'quiesce', 'drain']),
    );
  });

  it('lets the others close when one hangs', async () => {
    const fixture = new Fixture(2);
    await fixture.serve();
    void fixture.supervisor.drain(4_500);
    fixture.children[0].says({ type: 'quiet' });
    fixture.clock.advance(QUIET_PATIENCE_MS - 1);
    assert.deepEqual(fixture.children[0].received, ['start', 'quiesce']);
    fixture.clock.advance(1);
    assert.deepEqual(fixture.children[0].received, ['start', 'quiesce', 'drain']);
  });

  it('does not wait for a node that has died', async () => {
    const fixture = new Fixture(2);
    await fixture.serve();
    void fixture.supervisor.drain(4_500);
    fixture.children[0].says({ type: 'quiet' });
    fixture.children[1].ends();
    assert.deepEqual(fixture.children[0].received, ['start', 'quiesce', 'drain']);
  });

  it('asks every node and ends when all have ended', async () => {
    const fixture = new Fixture(3);
    await fixture.serve();
    const drained = fixture.supervisor.drain(4_500);
    for (const child of fixture.children) child.says({ type: 'quiet' });
    for (const child of fixture.children) {
      assert.deepEqual(child.received, ['start', 'quiesce', 'drain']);
      child.says({ type: 'draining' });
      child.says({ type: 'stopped' });
    }
    fixture.children[0].ends('exit code 0');
    fixture.children[1].ends('exit code 0');
    assert.equal(await isSettled(drained), false);
    fixture.children[2].ends('exit code 0');
    assert.deepEqual(await drained, []);
    assert.deepEqual(fixture.lines, []);
    assert.equal(fixture.clock.pendingTimers, 0);
  });

  it('kills what is left when patience ends', async () => {
    const fixture = new Fixture(3);
    await fixture.serve();
    const drained = fixture.supervisor.drain(4_500);
    fixture.children[0].ends('exit code 0');
    fixture.clock.advance(4_499);
    assert.deepEqual(
      fixture.children.map(({ isKilled }) => isKilled),
      [false, false, false],
    );
    fixture.clock.advance(1);
    assert.deepEqual(
      fixture.children.map(({ isKilled }) => isKilled),
      [false, true, true],
    );
    fixture.children[1].ends();
    fixture.children[2].ends();
    assert.deepEqual(await drained, ['node-2', 'node-3']);
  });

  it('names the nodes that could not close what they had', async () => {
    const fixture = new Fixture(2);
    await fixture.serve();
    const drained = fixture.supervisor.drain(4_500);
    fixture.children[0].ends('exit code 0');
    fixture.children[1].ends('exit code 1');
    assert.deepEqual(await drained, ['node-2']);
  });

  it('is cut short by killing', async () => {
    const fixture = new Fixture(1);
    await fixture.serve();
    const drained = fixture.supervisor.drain(4_500);
    fixture.supervisor.kill();
    assert.equal(fixture.children[0].isKilled, true);
    fixture.children[0].ends();
    assert.deepEqual(await drained, ['node-1']);
  });

  it('brings nobody back', async () => {
    const fixture = new Fixture(2, true);
    await fixture.serve();
    fixture.children[0].ends();
    assert.equal(fixture.clock.pendingTimers, 1);
    const drained = fixture.supervisor.drain(4_500);
    fixture.children[1].ends('exit code 0');
    assert.deepEqual(await drained, []);
    fixture.clock.advance(60_000);
    assert.equal(fixture.children.length, 2);
  });

  it('does not wait for processes that were told nothing yet', async () => {
    const fixture = new Fixture(2);
    const drained = fixture.supervisor.drain(4_500);
    for (const child of fixture.children) {
      assert.deepEqual([child.isKilled, child.received], [true, []]);
      child.ends();
    }
    assert.deepEqual(await drained, []);
  });

  it('cuts a start short', async () => {
    const fixture = new Fixture(2);
    const serving = fixture.start();
    const drained = fixture.supervisor.drain(4_500);
    await assert.rejects(serving, { message: 'stopped before all nodes served' });
    fixture.children[0].ends('exit code 0');
    fixture.children[1].ends('exit code 0');
    assert.deepEqual(await drained, []);
  });
});
