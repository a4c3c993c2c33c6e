/**
 * Loaded into a node with `--import`: it collects its garbage at each SIGUSR2. What its memory has grown by then is what
 * it holds, and not what nobody has taken the trouble to collect.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  process.on('SIGUSR2', () => {
    // Not a flag of the command line: with another set of flags Node would compile everything anew.
    setFlagsFromString('--expose-gc');
    runInNewContext('gc')();
  });
}

/** The environment of a node that does so. */
export const collectingEnvironment = { NODE_OPTIONS: `--import ${import.meta.url}` };
