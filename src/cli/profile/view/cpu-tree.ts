/**
 * Where the threads' CPU time went. V8 samples where a thread is, whether it runs or sleeps, and does not see the kernel.
 * The system counts for how long a thread ran, in user mode and in the kernel, and does not know where. Both together:
 *
 * - Measured: how much user and system time each thread used. What is shown of a thread adds up to it.
 * - Sampled: how user time is divided among functions, and how often the thread was within a native function that is a
 *   call to the system (kernel-calls.ts), which is shown below it as `[kernel]`. Where others had the CPU, a thread is
 *   sampled for longer than it ran: its samples are then worth less, all alike.
 * - Attributed: system time that no sampled call explains. It was spent where V8 shows a thread that sleeps: in a sync,
 *   below the functions that wait for requests (WAITING_FUNCTIONS), and in the event loop. Node 26 has V8 mark the whole
 *   of libuv's poll as `(idle)`, in which libuv also reads from sockets: a thread that did nothing else was busy for 80 %
 *   of a time of which 68 % was sampled as idle. It is divided by how long the thread was seen in each. So is user time
 *   beyond what was sampled, which is libuv's and that of falling asleep.
 *
 * A read from a socket is thus below the event loop, not below the function that libuv calls with the bytes. Where the
 * system has not counted, samples stand for themselves, without `(idle)` and without the functions that wait; a sync
 * then includes the wait for the disk. For how long threads slept, and where, the profile of waits has measured.
 *
 * Pure.
 */
import type { CpuMs } from '../../../node-profile.ts';
import type { CallFrame, CpuProfile, NodeFiles } from '../profile-folder.ts';
import { type Frame, functionFrame, groupFrame, isSampler, kernelFrame, shortPath } from './frame.ts';
import { FrameTree } from './frame-tree.ts';
import { kernelCallOf } from './kernel-calls.ts';

/** As `function file`: they call Atomics.wait, and V8 counts the wait as their own time. */
export const WAITING_FUNCTIONS: ReadonlySet<string> = new Set([
  'wait native-free-lsm/shared/ring.ts',
  'waitForRoom native-free-lsm/shared/ring.ts',
  'waitForRequests native-free-lsm/threads/writer.ts',
  'runWriter native-free-lsm/threads/worker.ts',
  '#wait native-free-lsm/threads/single-thread.ts',
]);

const IDLE = '(idle)';
const PROGRAM = '(program)';
const EVENT_LOOP: Frame = { ...groupFrame('(event loop)'), kind: 'native' };
const OUTSIDE: Frame = { ...groupFrame('(native code outside of functions)'), kind: 'native' };
const READS = kernelFrame('socket reads and polling');
const WAKE_UPS = kernelFrame('waits, wake-ups and page faults');
const MICROS_PER_MS = 1000;

/** Milliseconds; the first levels are nodes and threads. */
export function cpuTreeOf(nodes: readonly NodeFiles[]): FrameTree {
  const tree = new FrameTree(groupFrame('all nodes'));
  for (const { name: node, threads } of nodes) {
    for (const { cpu, sampledCpu, name } of threads) {
      if (cpu === null) continue;
      const visits = visitsOf(cpu, [groupFrame(node), groupFrame(name)]);
      if (sampledCpu === null) addSampled(tree, visits);
      else addMeasured(tree, visits, sampledCpu);
    }
  }
  return tree;
}

/** Where a thread was seen, and for how long. */
interface Visit {
  readonly stack: readonly Frame[];
  /** What of its time in the kernel is shown as; null: it is in none that is known. */
  readonly kernel: Frame | null;
  /** It does not run all the while. */
  readonly sleeps: 'no' | 'for the disk' | 'for work';
  readonly ms: number;
}

function addSampled(tree: FrameTree, visits: readonly Visit[]): void {
  for (const { kernel, ms, sleeps, stack } of visits)
    if (sleeps !== 'for work') tree.add(kernel === null ? stack : [...stack, kernel], ms);
}

function addMeasured(tree: FrameTree, visits: readonly Visit[], { systemMs, userMs }: CpuMs): void {
  const running = visits.filter(({ kernel }) => kernel === null);
  const asleep = visits.filter(({ sleeps }) => sleeps !== 'no');
  const calls = visits.filter(({ kernel, sleeps }) => kernel !== null && sleeps === 'no');
  const runningMs = sumOf(running);
  const callsMs = sumOf(calls);
  const ran = runningMs === 0 ? 1 : Math.min(userMs / runningMs, 1);
  const ranInCalls = callsMs === 0 ? 0 : Math.min(systemMs / callsMs, ran);
  for (const { ms, stack } of running) addTo(tree, stack, ms * ran);
  for (const { kernel, ms, stack } of calls) addTo(tree, [...stack, kernel ?? WAKE_UPS], ms * ranInCalls);
  const someOf = (...candidates: (readonly Visit[])[]): readonly Visit[] =>
    candidates.find((each) => sumOf(each) > 0) ?? [];
  for (const [visit, ms] of divide(userMs - runningMs * ran, someOf(asleep, running, calls)))
    addTo(tree, visit.stack, ms);
  for (const [visit, ms] of divide(systemMs - callsMs * ranInCalls, someOf(asleep, calls, running)))
    addTo(tree, [...visit.stack, visit.kernel ?? WAKE_UPS], ms);
}

/** By how long the thread was seen in each. */
function divide(ms: number, visits: readonly Visit[]): (readonly [Visit, number])[] {
  const seenMs = sumOf(visits);
  return visits.map((visit) => [visit, (ms * visit.ms) / seenMs]);
}

function addTo(tree: FrameTree, stack: readonly Frame[], ms: number): void {
  if (ms > 0) tree.add(stack, ms);
}

function sumOf(visits: readonly Visit[]): number {
  return visits.reduce((sum, { ms }) => sum + ms, 0);
}

interface ProfiledNode {
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
}

function visitsOf(profile: CpuProfile, place: readonly Frame[]): Visit[] {
  const nodes = new Map<number, ProfiledNode>(profile.nodes.map((node) => [node.id, node]));
  const selfMs = selfMsOf(profile);
  const visits: Visit[] = [];
  const look = (id: number, caller: CallFrame, stack: readonly Frame[]): void => {
    const node = nodes.get(id);
    // Starting the sampler takes a tenth of a second, which the profiled program does not take without it.
    if (node === undefined || isSampler(node.callFrame)) return;
    const { callFrame } = node;
    const below = [...stack, functionFrame(callFrame)];
    const ms = selfMs.get(id) ?? 0;
    if (ms > 0) visits.push({ ...placeOf(callFrame, caller, stack, below), ms });
    for (const child of node.children ?? []) look(child, callFrame, below);
  };
  const [root] = profile.nodes;
  for (const child of root?.children ?? []) look(child, root.callFrame, place);
  return visits;
}

function placeOf(
  callFrame: CallFrame,
  caller: CallFrame,
  above: readonly Frame[],
  stack: readonly Frame[],
): Omit<Visit, 'ms'> {
  const { functionName, url } = callFrame;
  if (url === '' && functionName === IDLE)
    return { stack: [...above, EVENT_LOOP], kernel: READS, sleeps: 'for work' };
  if (url === '' && functionName === PROGRAM)
    return { stack: [...above, OUTSIDE], kernel: null, sleeps: 'no' };
  if (isWait(callFrame)) return { stack, kernel: WAKE_UPS, sleeps: 'for work' };
  const call = kernelCallOf(callFrame, caller);
  if (call === undefined) return { stack, kernel: null, sleeps: 'no' };
  return { stack, kernel: kernelFrame(call), sleeps: call.endsWith('sync') ? 'for the disk' : 'no' };
}

function isWait({ functionName, url }: CallFrame): boolean {
  return WAITING_FUNCTIONS.has(`${functionName} ${shortPath(url).replace(/\.js$/, '.ts')}`);
}

/** A sample stands for the time until the next one. */
function selfMsOf({ endTime, samples, startTime, timeDeltas }: CpuProfile): Map<number, number> {
  const selfMs = new Map<number, number>();
  let atMicros = startTime;
  let latestMicros = Number.NEGATIVE_INFINITY;
  for (const [index, id] of samples.entries()) {
    atMicros += timeDeltas[index] ?? 0;
    const nextMicros = index + 1 < samples.length ? atMicros + (timeDeltas[index + 1] ?? 0) : endTime;
    // V8 writes a sample behind a later one now and then, with a difference below zero: no time counts twice.
    latestMicros = Math.max(latestMicros, atMicros);
    selfMs.set(id, (selfMs.get(id) ?? 0) + Math.max(nextMicros - latestMicros, 0) / MICROS_PER_MS);
  }
  return selfMs;
}
