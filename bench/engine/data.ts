/**
 * The data that reads are timed over: three nodes filled, then as many bytes again of random overwrites, so that
 * several levels hold something. A folder that is kept (`--data`) is made once; a note in it says of what size.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  encodeRecord,
  LsmError,
  RecordStore,
  type WriteSink,
  WriteStatus,
} from '../../native-free-lsm/index.ts';
import { fillValue, mix } from '../../src/cli/fill-values.ts';
import { timestampAt } from '../../src/hybrid-clock.ts';

const CLI = fileURLToPath(new URL('../../cli.ts', import.meta.url));
const NOTE = 'bench.json';
const SEED = 2;
const WRITER = 1;
const IN_FLIGHT = 4096;
/** Beyond it values repeat: making each anew would cost more than writing it. */
const VALUES = 4096;

export interface DataPlan {
  readonly directory: string;
  readonly nodes: number;
  /** Keys and values of a node, as `fill --size` takes it. */
  readonly sizeBytes: number;
  readonly valueBytes: number;
  /** Overwrites follow the fill. */
  readonly isOverwritten: boolean;
}

export interface FilledData {
  /** key1 … keyN. */
  readonly keys: number;
}

export type Progress = (line: string) => void;

/** Makes the data, or finds it made. */
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
      await overwrite(engine, keys, plan, newestMs, (line) => progress(`node-${node}: ${line}`));
    }
  }
  writeFileSync(note, JSON.stringify({ ...JSON.parse(wanted), keys }));
  return { keys };
}

export interface FillResult extends FilledData {
  readonly tookMs: number;
}

/** `fill`, as it is run by hand. */
export async function fill(
  { directory, nodes, sizeBytes, valueBytes }: DataPlan,
  progress: Progress,
): Promise<FillResult> {
  progress(`filling ${nodes} nodes with ${sizeBytes} bytes each`);
  const args = ['--nodes', nodes, '--data', directory, '--size', sizeBytes, '--value-size', valueBytes];
  const startedMs = performance.now();
  const child = spawn(process.execPath, [CLI, 'fill', ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const tookMs = performance.now() - startedMs;
  const keys = Number(/keys +(\d+)/.exec(output)?.[1]);
  if (code !== 0 || !(keys > 0)) throw new Error(`fill failed: ${output}`);
  return { keys, tookMs };
}

/**
 * Random overwrites straight into a stopped node's engine: the same keys, values and versions on every node that is
 * given the same `newestMs`, which all versions lie below.
 */
async function overwrite(
  engine: string,
  keys: number,
  { valueBytes }: DataPlan,
  newestMs: number,
  progress: Progress,
): Promise<void> {
  await using store = RecordStore.open(engine, { durability: 'none', dropTombstonesBelow: 0 });
  const values = Array.from({ length: VALUES }, (_, i) => fillValue(SEED, i, valueBytes));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const oldest = timestampAt(newestMs) - keys;
  let started = 0;
  let finished = 0;
  const again = (): void => write(started++);
  const write = (i: number): void => {
    const fields = { timestamp: oldest + i, writer: WRITER, tombstone: false, from: 3, expiryMs: 0 };
    const key = Buffer.from(`key${1 + (mix(SEED, i) % keys)}`);
    store.write(key, encodeRecord(fields, values[i % VALUES]), sink, i);
  };
  const sink: WriteSink = {
    onWrite(token, status, _timestamp, _writer, error) {
      // Compactions are behind: the same write again, a little later.
      if (error instanceof LsmError && error.code === 'OVERLOADED') {
        setTimeout(() => write(token), 10);
        return;
      }
      if (status !== WriteStatus.applied) {
        reject(error ?? new Error(`overwrite ${token} was not applied`));
        return;
      }
      if (++finished % 100_000 === 0) progress(`${finished} of ${keys} overwrites`);
      if (started < keys) again();
      else if (finished === keys) resolve();
    },
  };
  for (let i = 0; i < Math.min(IN_FLIGHT, keys); i++) again();
  await promise;
  await store.flush();
  await store.maintenanceIdle();
  progress(`tables by level ${store.stats().tablesByLevel.join('/')}`);
}
