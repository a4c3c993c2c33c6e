/**
 * A node process over the engine that its arguments name: the product's own host, with another store handed in.
 *
 *   lsm                  the LSM engine, as `serve` runs it
 *   lsm-on-main          the same, but its tables are searched on the main thread
 *   map KEYS VALUE_SIZE  a Map in memory that holds what `fill` would make
 */
import { RecordStore, recordSizeBytes } from '../../native-free-lsm/index.ts';
import { hostNode } from '../../src/cli/serve/node-host.ts';
import type { NodeOptions } from '../../src/node/options.ts';
import { NODE_TABLES } from '../../src/node/table-options.ts';
import { MAX_CLIENT_KEY_BYTES } from '../../src/services.ts';
import { openFilledMap } from './filled-map.ts';
import { SearchOnMainExecutor } from './search-on-main.ts';

const [, , engine, ...sizes] = process.argv;

hostNode(async () => {
  const { startHttpNode } = await import('../../src/cli/serve/http-node.ts');
  const openStorage = storageOpener();
  if (openStorage === undefined) return { startHttpNode };
  return { startHttpNode: (options) => startHttpNode({ ...options, openStorage }) };
});

function storageOpener(): NodeOptions['openStorage'] {
  switch (engine) {
    case 'lsm':
      return undefined;
    case 'lsm-on-main':
      return openOnMain;
    case 'map':
      return async () => openFilledMap(Number(sizes[0]), Number(sizes[1]));
    default:
      throw new Error(`there is no engine ${engine}`);
  }
}

/** Gives the engine what src/node/data-folder.ts gives it, as far as reads depend on it. */
const openOnMain: NodeOptions['openStorage'] = async (directory, settings) =>
  RecordStore.open(
    directory,
    {
      durability: settings.durability,
      maxRecordBytes: MAX_CLIENT_KEY_BYTES + recordSizeBytes(settings.maxValueBytes, true),
      memtableBytes: settings.memtableBytes,
      blockCacheBytes: settings.blockCacheBytes,
      ...NODE_TABLES,
      bottomCompression: settings.compression,
      readers: 1,
      dropTombstonesBelow: 0,
    },
    { executor: (context) => new SearchOnMainExecutor(context) },
  );
