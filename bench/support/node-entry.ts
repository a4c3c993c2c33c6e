/**
 * A node process over the engine that its arguments name: the product's own host, with another store handed in.
 *
 *   lsm                  the LSM engine, as `serve` runs it
 *   lsm-on-main          the same, but its tables are searched on the main thread
 *   map KEYS VALUE_SIZE  a Map in memory that holds what `fill` would make
 */
import { hostNode } from '../../src/cli/node-host.ts';
import type { NodeOptions } from '../../src/node.ts';
import { openFilledMap } from './filled-map.ts';

const [, , engine, ...sizes] = process.argv;

hostNode(async () => {
  const { startNode } = await import('../../src/node.ts');
  const openStorage = storageOpener();
  if (openStorage === undefined) return { startNode };
  return { startNode: (options) => startNode({ ...options, openStorage }) };
});

function storageOpener(): NodeOptions['openStorage'] {
  switch (engine) {
    case 'lsm':
      return undefined;
    case 'map':
      return async () => openFilledMap(Number(sizes[0]), Number(sizes[1]));
    default:
      throw new Error(`there is no engine ${engine}`);
  }
}
