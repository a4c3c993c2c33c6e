/**
 * One call of a node's start to its file system fails, of its identity or its engine. Then the start says why in words
 * for people and leaves nothing open, or the node serves and takes writes again once it has tried again. Either way the
 * next start finds everything.
 */
import assert from 'node:assert/strict';
import { fileSystemError, MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { QuorateError } from '../../src/errors.ts';
import { Outcome } from '../../src/outcome.ts';
import { NodeSimulation } from './node-simulation.ts';

const VALUE = new Uint8Array(3_000).fill(1);
/** In this time what was refused is tried again. */
const RETRIED_MS = 2_000;

export interface NodeFailureCheck {
  readonly code: string;
  /** Written before the start that fails; 0: it is the first. */
  readonly writes: number;
  /** Of the calls of the start, one in so many fails. */
  readonly every: number;
}

/** @returns how many starts had a call that failed */
export async function checkFailingStarts(check: NodeFailureCheck): Promise<number> {
  const before = new MemoryFileSystem();
  const keys = Array.from({ length: check.writes }, (_, i) => `key${i}`);
  if (check.writes > 0) {
    const simulation = new NodeSimulation([before], 1);
    await simulation.start();
    for (const key of keys) await put(simulation, key);
    await simulation.stop();
  }
  for (let failAt = 0; ; failAt += check.every) {
    const disk = before.kill();
    const call = failCall(disk, failAt, check.code);
    try {
      await startFailing(new NodeSimulation([disk], 2));
      if (call.made === '') return failAt / check.every;
      await checkRestart(disk, keys);
    } catch (error) {
      throw new Error(`${check.code} at ${call.made}: ${(error as Error).message}`, { cause: error });
    }
  }
}

function failCall(disk: MemoryFileSystem, failAt: number, code: string): { made: string } {
  const call = { made: '' };
  disk.onCall = ({ index, operation, path, lengthBytes }) => {
    if (index !== failAt) return undefined;
    call.made = `${operation} ${path}`;
    const error = fileSystemError(code, operation, path);
    if (operation !== 'write') throw error;
    return { doneBytes: lengthBytes >> 1, error };
  };
  return call;
}

async function startFailing(simulation: NodeSimulation): Promise<void> {
  let isStarted = false;
  try {
    await simulation.start();
    isStarted = true;
  } catch (error) {
    assert.ok(error instanceof QuorateError, `not an error for people: ${(error as Error).message}`);
    assert.equal(error.code, 'STORAGE', error.message);
  }
  const [disk] = simulation.disks;
  disk.onCall = undefined;
  if (isStarted) {
    await simulation.pass(RETRIED_MS);
    await put(simulation, 'after');
    await simulation.stop();
  }
  assert.equal(disk.openDescriptors, 0, 'nothing is left open');
}

async function checkRestart(disk: MemoryFileSystem, keys: readonly string[]): Promise<void> {
  const simulation = new NodeSimulation([disk], 3);
  await simulation.start();
  for (const key of keys) {
    const { outcome, reason } = await simulation.settle(simulation.get(0, key, 1));
    assert.equal(outcome, Outcome.ok, `${key}: ${reason}`);
  }
  assert.deepEqual(simulation.conditionsOf(0), []);
  await simulation.stop();
}

async function put(simulation: NodeSimulation, key: string): Promise<void> {
  const { outcome, reason } = await simulation.settle(simulation.put(0, key, VALUE, 1));
  assert.equal(outcome, Outcome.ok, reason);
}
