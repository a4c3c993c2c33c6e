/**
 * Where the threads' time went, from V8's samples. V8 samples a thread's stack at equal intervals of time, whether the
 * thread runs or is blocked, so:
 *
 * - Time in which a thread has nothing to do is left out: V8's `(idle)`, and the functions that do no more than wait for
 *   the next request (WAITING_FUNCTIONS). The profile of waits has it.
 * - Time in a native function that is a call to the system (kernel-calls.ts) is shown below it as `[kernel]`. It is
 *   measured by sampling, and includes waiting for the disk.
 * - What a thread does between its callbacks, V8 calls `(program)`: libuv's poll, its reads from sockets, and native
 *   code of Node. No sample tells these apart. But the system counts how much CPU time the thread spent in the kernel;
 *   what of that no call above explains is attributed to reading and polling, and the rest is `(event loop)`.
 *
 * Pure.
 */
import type { CpuMs } from '../../../node-profile.ts';
import type { CallFrame, CpuProfile, NodeFiles } from '../profile-folder.ts';
import { type Frame, functionFrame, groupFrame, kernelFrame, shortPath } from './frame.ts';
import { FrameTree } from './frame-tree.ts';
import { kernelCallOf } from './kernel-calls.ts';

/** As `function file`: they call Atomics.wait, and V8 counts the wait as their own time. */
export const WAITING_FUNCTIONS: ReadonlySet<string> = new Set([
  'wait native-free-lsm/shared/ring.ts',
  'waitForRoom native-free-lsm/shared/ring.ts',
  'waitForRequests native-free-lsm/threads/writer.ts',
  'runWriter native-free-lsm/threads/worker.ts',
]);

const IDLE = '(idle)';
const PROGRAM = '(program)';
const EVENT_LOOP: Frame = { ...groupFrame('(event loop)'), kind: 'native' };
const READS = kernelFrame('socket reads and polling');
const MICROS_PER_MS = 1000;

/** Milliseconds; the first levels are nodes and threads. */
export function cpuTreeOf(nodes: readonly NodeFiles[]): FrameTree {
  const tree = new FrameTree(groupFrame('all nodes'));
  for (const { name: node, threads } of nodes) {
    for (const { cpu, sampledCpu, name } of threads) {
      if (cpu !== null) addThread(tree, [groupFrame(node), groupFrame(name)], cpu, sampledCpu);
    }
  }
  return tree;
}

interface ProfiledNode {
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
}

/** @param sampledCpu that the thread used while it was sampled; null: unknown, and nothing is attributed */
function addThread(
  tree: FrameTree,
  place: readonly Frame[],
  profile: CpuProfile,
  sampledCpu: CpuMs | null,
): void {
  const nodes = new Map<number, ProfiledNode>(profile.nodes.map((node) => [node.id, node]));
  const selfMs = selfMsOf(profile);
  let activeMs = 0;
  let kernelMs = 0;
  let blockedMs = 0;
  let programMs = 0;
  const visit = (id: number, caller: CallFrame, stack: readonly Frame[]): void => {
    const node = nodes.get(id);
    if (node === undefined) return;
    const { callFrame } = node;
    const ms = selfMs.get(id) ?? 0;
    if (callFrame.functionName === PROGRAM && callFrame.url === '') {
      programMs += ms;
      activeMs += ms;
      return;
    }
    const frame = functionFrame(callFrame);
    const below = [...stack, frame];
    const call = kernelCallOf(callFrame, caller);
    if (ms > 0 && frame.name !== IDLE && !isWait(callFrame)) {
      activeMs += ms;
      if (call === undefined) tree.add(below, ms);
      else {
        tree.add([...below, kernelFrame(call)], ms);
        // Of a sync the thread's CPU time has only a little: most of it is the disk's.
        if (call.endsWith('sync')) blockedMs += ms;
        else kernelMs += ms;
      }
    }
    for (const child of node.children ?? []) visit(child, callFrame, below);
  };
  const [root] = profile.nodes;
  for (const child of root?.children ?? []) visit(child, root.callFrame, place);
  if (programMs === 0) return;
  const readsMs = sampledCpu === null ? 0 : unexplainedMs(sampledCpu, activeMs - blockedMs, kernelMs);
  const loop = [...place, EVENT_LOOP];
  const shownMs = Math.min(readsMs, programMs);
  if (shownMs > 0) tree.add([...loop, READS], shownMs);
  if (programMs > shownMs) tree.add(loop, programMs - shownMs);
}

/**
 * Kernel time that no sampled call explains. Where other programs take the CPU, a thread is sampled for longer than it
 * runs: its CPU time is then stretched to the samples' time.
 */
function unexplainedMs({ systemMs, userMs }: CpuMs, activeMs: number, kernelMs: number): number {
  const cpuMs = userMs + systemMs;
  if (cpuMs <= 0) return 0;
  const stretch = Math.max(activeMs / cpuMs, 1);
  return Math.max(systemMs * stretch - kernelMs, 0);
}

function isWait({ functionName, url }: CallFrame): boolean {
  return WAITING_FUNCTIONS.has(`${functionName} ${shortPath(url)}`);
}

/** A sample stands for the time until the next one. */
function selfMsOf({ endTime, samples, startTime, timeDeltas }: CpuProfile): Map<number, number> {
  const selfMs = new Map<number, number>();
  let atMicros = startTime;
  for (const [index, id] of samples.entries()) {
    atMicros += timeDeltas[index] ?? 0;
    const untilNext = timeDeltas[index + 1] ?? endTime - atMicros;
    // V8's clock is read by another thread, so a difference may come out below zero.
    selfMs.set(id, (selfMs.get(id) ?? 0) + Math.max(untilNext, 0) / MICROS_PER_MS);
  }
  return selfMs;
}
