/** A pool thread of `fill`: one task per range of keys. */
import { workerData } from 'node:worker_threads';
import { LsmError, NodeFileSystem, type TableMetadata } from '../../../native-free-lsm/index.ts';
import type { FillRange } from './plan.ts';
import { FillCancelled, type FillJob, FillTables } from './tables.ts';

/** The class of an error is lost between threads, so errors that are meant for people come back as results. */
export type FillTaskResult =
  | { readonly type: 'done'; readonly tables: readonly (TableMetadata | null)[] }
  | { readonly type: 'cancelled' }
  | { readonly type: 'failed'; readonly message: string };

const tables = new FillTables(new NodeFileSystem(), workerData as FillJob);

export function run(range: FillRange): FillTaskResult {
  try {
    return { type: 'done', tables: tables.write(range) };
  } catch (error) {
    if (error instanceof FillCancelled) return { type: 'cancelled' };
    if (error instanceof LsmError) return { type: 'failed', message: error.message };
    throw error;
  }
}
