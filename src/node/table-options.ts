import type { EngineOptions } from '../../native-free-lsm/index.ts';

const KIB = 1024;

/**
 * How the tables of a node are written, whether its engine or `fill` does it. Most reads of a node come from tables that
 * are in no cache: they are not to wait until a block is decompressed, and larger blocks leave more room for the indexes
 * in memory.
 */
export const NODE_TABLES: Pick<EngineOptions, 'compression' | 'bottomCompression' | 'bottomBlockSizeBytes'> =
  { compression: 'none', bottomCompression: 'none', bottomBlockSizeBytes: 8 * KIB };
