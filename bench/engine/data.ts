/**
 * The data over which reads are timed: three nodes are filled, then as many bytes again are overwritten at random, so
 * that several levels hold something. A folder that is kept (`--data`) is prepared once; a note in it says with what
 * size.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runBound } from '../support/bound-child.ts';
import type { OverwriteTask } from './overwrite-process.ts';

const CLI = fileURLToPath(new URL('../../cli.ts', import.meta.url));
const OVERWRITE = fileURLToPath(new URL('./overwrite-process.ts', import.meta.url));
const NOTE = 'bench.json';

export interface DataPlan {
  readonly directory: string;
  readonly nodes: number;
  /** Bytes of keys and values of a node, as `fill --size` takes them. */
  readonly sizeBytes: number;
  readonly valueBytes: number;
  /** Whether overwrites follow the fill. */
  readonly isOverwritten: boolean;
}

export interface FilledData {
  /** The N of the last key: the keys are key1 … keyN. */
  readonly keys: number;
}

export type Progress = (line: string) => void;

/** Prepares the data, or uses what is there. */
export async function prepareData(plan: DataPlan, progress: Progress): Promise<FilledData> {
  const { directory, nodes, sizeBytes, valueBytes, isOverwritten } = plan;
  const note = join(directory, NOTE);
  const wanted = JSON.stringify({ nodes, sizeBytes, valueBytes, isOverwritten });
  if (existsSync(note)) {
    const { keys, ...made } = JSON.parse(readFileSync(note, 'utf8'));
    if (JSON.stringify(made) === wanted) {
      progress(`using the data in ${directory}`);
      return { keys };
    }
    throw new Error(
      `${directory} holds other data (${JSON.stringify(made)}): delete it or name another --data`,
    );
  }
  const { keys } = await fill(plan, progress);
  if (isOverwritten) {
    const newestMs = Date.now();
    for (let node = 1; node <= nodes; node++) {
      const engine = join(directory, `node-${node}`, 'engine');
      const task: OverwriteTask = { engine, keys, valueBytes, newestMs };
      const onLine = (line: string): void => progress(`node-${node}: ${line}`);
      const command = [OVERWRITE, JSON.stringify(task)];
      const { code, output } = await runBound(process.execPath, command, { onLine });
      if (code !== 0) throw new Error(`overwriting failed: ${output}`);
    }
  }
  writeFileSync(note, JSON.stringify({ ...JSON.parse(wanted), keys }));
  return { keys };
}

export interface FillResult extends FilledData {
  readonly tookMs: number;
}

/** Runs `fill` as a user would. */
export async function fill(
  { directory, nodes, sizeBytes, valueBytes }: DataPlan,
  progress: Progress,
): Promise<FillResult> {
  progress(`filling ${nodes} nodes with ${sizeBytes} bytes each`);
  const args = ['--nodes', nodes, '--data', directory, '--size', sizeBytes, '--value-size', valueBytes];
  const startedMs = performance.now();
  const command = [CLI, 'fill', ...args.map(String)];
  const { code, output } = await runBound(process.execPath, command);
  const tookMs = performance.now() - startedMs;
  const keys = Number(/keys +(\d+)/.exec(output)?.[1]);
  if (code !== 0 || !(keys > 0)) throw new Error(`fill failed: ${output}`);
  return { keys, tookMs };
}
