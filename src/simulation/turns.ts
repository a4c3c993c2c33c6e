/**
 * Runs a simulation turn by turn, as an event loop does: between two turns everything runs that settled promises have
 * begun, to the last. Node gives that exactly, and for a tenth of a microsecond: what `process.nextTick` was given runs
 * once no promise has anything left to do.
 */

/**
 * Real time goes on only between two runs: nothing else of the process is served while it runs.
 * @param turn one turn; false: it was the last
 */
export function runTurns(turn: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (): void => process.nextTick(run);
    const run = (): void => {
      try {
        // By way of a microtask: a tick that another tick has asked for would come before the promises.
        if (turn()) queueMicrotask(next);
        else resolve();
      } catch (error) {
        reject(error);
      }
    };
    queueMicrotask(next);
  });
}
