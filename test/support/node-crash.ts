/**
 * Stops one of two nodes' machine, or kills its process, at many moments of a run from the first start to the drain, and
 * looks, for each, at what comes of it when both start again. A moment is between two calls of the node to its file
 * system, the identity's and the engine's alike. The other node's process is killed at that moment, so that it remembers
 * what it had been told.
 *
 * What is promised: what was acknowledged is in the node's own store; the folder is the node's and whole, for its peer
 * too; no two writes have the same version, also when the clock comes up a little behind.
 */
import assert from 'node:assert/strict';
import { RecordStore, recordTimestamp, recordValueStart, recordWriter } from '../../native-free-lsm/index.ts';
import {
  type CallHook,
  type FileSystemCall,
  InlineExecutor,
  MemoryFileSystem,
} from '../../native-free-lsm/simulation/index.ts';
import { QuorateError } from '../../src/errors.ts';
import { Outcome } from '../../src/outcome.ts';
import { ENGINE_FOLDER, inspectFolder } from '../../src/replica/identity.ts';
import { type CrashReport, STOPS, stopName, stopped } from './engine-crash.ts';
import { CLUSTER_ID, folderOf, NodeSimulation } from './node-simulation.ts';
import { pageEntries } from './page-entries.ts';

/** The node whose machine stops, and its peer. */
const VICTIM = 0;
const PEER = 1;
const KEYS = 5;
const VALUE_BYTES = 6_000;
/** The clock of the machines that come up again is so far behind. */
const CLOCK_BEHIND_MS = 300;
/** The second stop is before one of so many calls after the first. */
const CALLS_TO_SECOND_STOP = 90;

export interface NodeCrashCheck {
  readonly seed: number;
  readonly writes: number;
  /** Of the victim's calls to the file system, one in so many is a moment of a stop. */
  readonly every: number;
  /** Which of them. */
  readonly offset: number;
  /** A planted fault of the victim's disk. */
  readonly fault?: CallHook;
}

interface Writes {
  /** By key, the number of the last write that was acknowledged, and of the last that was issued. */
  readonly acknowledged: ReadonlyMap<string, number>;
  readonly issued: ReadonlyMap<string, number>;
}

interface Moment extends Writes {
  readonly what: string;
  readonly disks: readonly MemoryFileSystem[];
  readonly wallMs: number;
}

/** @throws what was lost or mistaken, and at which call */
export async function checkNodeCrashes(check: NodeCrashCheck): Promise<CrashReport> {
  const disks = [new MemoryFileSystem(), new MemoryFileSystem()];
  const simulation = new NodeSimulation(disks, check.seed);
  const acknowledged = new Map<string, number>();
  const issued = new Map<string, number>();
  const moments: Moment[] = [];
  disks[VICTIM].onCall = (call) => {
    const { index } = call;
    if (index % check.every !== check.offset % check.every) return check.fault?.(call);
    const choice = Math.floor(index / check.every) + check.seed;
    moments.push(momentBefore(call, simulation, { acknowledged, issued }, choice));
    return check.fault?.(call);
  };
  await simulation.start();
  for (let write = 1; write <= check.writes; write++) {
    const key = `key${write % KEYS}`;
    issued.set(key, write);
    const { outcome, reason } = await simulation.settle(
      simulation.put(write % 2, key, valueNumbered(write), 2),
    );
    assert.equal(outcome, Outcome.ok, reason);
    acknowledged.set(key, write);
    // So long that progress rises, and the peer is told and notes it.
    if (write % 4 === 0) await simulation.pass(1_200);
  }
  await simulation.stop();
  for (const moment of moments) {
    try {
      const second = await checkMoment(moment, check);
      if (second !== null) await checkMoment(second, check);
    } catch (error) {
      throw new Error(`${moment.what}: ${(error as Error).message}`, { cause: error });
    }
  }
  return { calls: disks[VICTIM].callCount, moments: moments.length };
}

function momentBefore(
  { index, operation, path }: FileSystemCall,
  { clock, disks }: NodeSimulation,
  { acknowledged, issued }: Writes,
  choice: number,
): Moment {
  const stop = STOPS[choice % STOPS.length];
  return {
    what: `${stopName(stop)} before call ${index}, ${operation} ${path}`,
    disks: [stopped(disks[VICTIM], stop, choice), disks[PEER].kill()],
    wallMs: clock.nowMs(),
    acknowledged: new Map(acknowledged),
    issued: new Map(issued),
  };
}

/** @returns a moment of a second stop, while the nodes start or go on; null when they had ended before */
async function checkMoment(moment: Moment, check: NodeCrashCheck): Promise<Moment | null> {
  checkOwner(moment);
  const [victim] = moment.disks;
  const acknowledged = new Map(moment.acknowledged);
  const issued = new Map(moment.issued);
  const choice = check.seed + Math.floor(moment.wallMs) + moment.what.length * 7;
  // Each life draws other random numbers: what it makes has names of its own.
  const simulation = new NodeSimulation(moment.disks, choice, moment.wallMs - CLOCK_BEHIND_MS);
  const stopAt = victim.callCount + (choice % CALLS_TO_SECOND_STOP);
  let second: Moment | null = null;
  victim.onCall = (call) => {
    if (call.index === stopAt) {
      const { what, ...left } = momentBefore(call, simulation, { acknowledged, issued }, choice);
      second = { ...left, what: `${moment.what}, then ${what}` };
    }
    return check.fault?.(call);
  };
  await simulation.start();
  const written = Math.max(0, ...issued.values()) + 1;
  for (const [i, key] of ['new', 'key1'].entries()) {
    issued.set(key, written + i);
    const { outcome, reason } = await simulation.settle(
      simulation.put(VICTIM, key, valueNumbered(written + i), 2),
    );
    assert.equal(outcome, Outcome.ok, `a write after the start: ${reason}`);
    acknowledged.set(key, written + i);
  }
  for (const [key, least] of acknowledged) {
    const { outcome, value, reason } = await simulation.settle(simulation.get(VICTIM, key, 2));
    assert.equal(outcome, Outcome.ok, `a read of ${key}: ${reason}`);
    assertBetween(key, numberOf(value!), least, issued.get(key)!);
  }
  for (const index of [VICTIM, PEER]) assert.deepEqual(simulation.conditionsOf(index), []);
  const mistaken = simulation.logged.filter((line) => / error: |has come back with/.test(line));
  assert.deepEqual(mistaken, [], 'nothing is amiss, for the node and for its peer');
  await simulation.stop();
  for (const disk of moment.disks)
    assert.equal(disk.openDescriptors, 0, 'closed with everything it had opened');
  victim.onCall = undefined;
  await checkStores(simulation, { acknowledged, issued });
  return second;
}

/** Before the folder is the node's it is nobody's; then nobody else takes it. */
function checkOwner({ disks, acknowledged }: Moment): void {
  const foreign = { clusterId: CLUSTER_ID, nodeId: `n${PEER}` };
  try {
    assert.equal(inspectFolder(disks[VICTIM], folderOf(VICTIM), foreign), null);
    assert.equal(acknowledged.size, 0, 'the folder has data and belongs to nobody');
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    assert.equal(error.code, 'FOREIGN_DIRECTORY', error.message);
  }
}

/** What each node has in its own store, and that every version was given to one write. */
async function checkStores(simulation: NodeSimulation, { acknowledged, issued }: Writes): Promise<void> {
  const writes = new Map<string, string>();
  for (const [index, disk] of simulation.disks.entries()) {
    const entries = await entriesOf(disk, index, simulation);
    for (const [key, record] of entries) {
      const version = `${recordTimestamp(record, 0)} of ${recordWriter(record, 0)}`;
      const number = numberOf(record.subarray(recordValueStart(record, 0)));
      const write = `${key} number ${number}`;
      assert.equal(writes.get(version) ?? write, write, `version ${version} was given twice`);
      writes.set(version, write);
      assertBetween(key, number, acknowledged.get(key) ?? 1, issued.get(key)!);
    }
    for (const key of acknowledged.keys()) assert.ok(entries.has(key), `n${index} has lost ${key}`);
  }
}

async function entriesOf(
  fs: MemoryFileSystem,
  index: number,
  simulation: NodeSimulation,
): Promise<Map<string, Buffer>> {
  const environment = {
    fs,
    clock: simulation.clock,
    executor: (context: ConstructorParameters<typeof InlineExecutor>[0]) => new InlineExecutor(context),
  };
  const store = RecordStore.open(`${folderOf(index)}/${ENGINE_FOLDER}`, {}, environment);
  const all = { start: Buffer.alloc(0), end: null, maxBytes: 1 << 20, maxEntries: 1_000 };
  const page = await simulation.settle(
    store.rangePage({ ...all, includeTombstones: true, encoder: 0, nowMs: 0 }),
  );
  const entries = new Map(pageEntries(page).map(([key, record]) => [key.toString(), record]));
  await simulation.settle(store.close());
  return entries;
}

function assertBetween(key: string, number: number, least: number, most: number): void {
  assert.ok(number >= least && number <= most, `${key} is write ${number}, not one of ${least} to ${most}`);
}

function valueNumbered(write: number): Uint8Array {
  const value = new Uint8Array(VALUE_BYTES).fill(write);
  new DataView(value.buffer).setUint32(0, write);
  return value;
}

function numberOf(value: Uint8Array): number {
  assert.equal(value.length, VALUE_BYTES);
  return new DataView(value.buffer, value.byteOffset).getUint32(0);
}
