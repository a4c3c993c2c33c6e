import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Collects what can be collected; gives the bytes of array buffers that are left, shared ones included. */
export async function collectGarbage(): Promise<number> {
  // What a collection frees may be held by a callback that is due: the second one has it.
  for (let i = 0; i < 3; i++) {
    gc();
    await turn();
  }
  return process.memoryUsage().arrayBuffers;
}
