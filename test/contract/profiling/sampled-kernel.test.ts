/** How time in the kernel looks in the samples of this Node: what the graph of CPU time is built on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { after, before, test } from 'node:test';
import v8 from 'node:v8';
import type { CpuProfile } from '../../../src/cli/profile/profile-folder.ts';
import { cpuTreeOf } from '../../../src/cli/profile/view/cpu-tree.ts';
import { oneThread } from '../../support/profile-by-hand.ts';
import { stackLines } from '../../support/stack-lines.ts';

const CHUNK = Buffer.alloc(64 * 1024, 1);
const MEGABYTES = 192;

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-kernel-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

/** Syncs a file, and sends bytes through a socket to a reader in the same thread that does nothing with them. */
async function work(): Promise<void> {
  const fd = openSync(join(directory, 'file'), 'w');
  for (let i = 0; i < 40; i++) {
    writeSync(fd, CHUNK);
    fdatasyncSync(fd);
  }
  closeSync(fd);
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  for (let sent = 0; sent < MEGABYTES * 2 ** 20; sent += CHUNK.length)
    if (!socket.write(CHUNK)) await once(socket, 'drain');
  socket.end();
  await once(socket, 'close');
  server.close();
  await once(server, 'close');
}

test('calls to the system are frames of their own, and reads of sockets are in what V8 calls idle', async () => {
  const handle = v8.startCpuProfile({ sampleInterval: 1, maxBufferSize: 100_000 });
  const cpuBefore = process.threadCpuUsage();
  const loopBefore = performance.eventLoopUtilization();
  await work();
  const { system, user } = process.threadCpuUsage(cpuBefore);
  const { idle } = performance.eventLoopUtilization(loopBefore);
  const cpu = JSON.parse(handle.stop()) as CpuProfile;
  const sampledCpu = { userMs: user / 1000, systemMs: system / 1000 };
  const tree = cpuTreeOf(oneThread({ cpu, sampledCpu }));
  const lines = stackLines(tree);
  const msOf = (pattern: RegExp): number =>
    lines
      .filter((line) => pattern.test(line))
      .reduce((sum, line) => sum + Number(/[\d.]+$/.exec(line)?.[0]), 0);
  const shown = lines.join('\n');
  assert.ok(Math.abs(tree.total - sampledCpu.userMs - sampledCpu.systemMs) < 1e-6, shown);
  assert.ok(msOf(/fdatasyncSync node:fs:\d+ > fdatasync \[native\] > \[kernel\] file fdatasync /) > 0, shown);
  assert.ok(
    msOf(/writeGeneric node:internal\/stream_base_commons:\d+ > \w+ \[native\] > \[kernel\] socket write /) >
      0,
    shown,
  );
  assert.ok(msOf(/\(event loop\) > \[kernel\] socket reads and polling /) > 0, shown);
  // If V8 called idle only what libuv slept for, the reads would be somewhere else.
  const ids = new Set(
    cpu.nodes.filter(({ callFrame }) => callFrame.functionName === '(idle)').map(({ id }) => id),
  );
  const idleMs = cpu.samples.reduce(
    (sum, id, i) => sum + (ids.has(id) ? (cpu.timeDeltas[i + 1] ?? 0) / 1000 : 0),
    0,
  );
  assert.ok(idleMs > idle * 1.1, `${idleMs} ms sampled as idle, of which the loop slept ${idle} ms`);
});
