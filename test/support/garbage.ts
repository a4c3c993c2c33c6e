import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Collects what can be collected, and returns the bytes of array buffers that are left, including shared ones. */
export async function collectGarbage(): Promise<number> {
  // A callback that is due may hold what could be freed: the next collection frees it.
  for (let i = 0; i < 3; i++) {
    gc();
    await turn();
  }
  return process.memoryUsage().arrayBuffers;
}
