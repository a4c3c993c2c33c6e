/** Two processes and one folder: one writes until it is killed, again and again, and this one reads beside it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type EngineReader, type LsmError, openReadOnly } from '../../native-free-lsm/index.ts';
import { stateAfter } from '../support/numbered-batches.ts';
import { batchWriterProcess } from '../support/process-paths.ts';
import { until } from '../support/until.ts';

const KILLS = 2;
/** Batches from one kill to the next: some memtables. */
const BATCHES = 150;
const TIMEOUT_MS = 60_000;

function startWriter(directory: string): ChildProcess {
  return spawn(process.execPath, [batchWriterProcess, directory], { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function kill(writer: ChildProcess): Promise<void> {
  writer.kill('SIGKILL');
  await once(writer, 'exit');
}

/** Whether a view could be taken. */
async function refreshed(reader: EngineReader): Promise<boolean> {
  try {
    await reader.refresh();
    return true;
  } catch (error) {
    if ((error as LsmError).code !== 'CHANGING') throw error;
    return false;
  }
}

/** What a reader shows must be what there was after some batch; returns which. */
async function numberShown(reader: EngineReader): Promise<number> {
  const lines: string[] = [];
  let number = 0;
  for await (const { key, value } of reader.range()) {
    const text = Buffer.from(value).toString().trimEnd();
    if (String(Buffer.from(key)) === 'number') number = Number(text);
    lines.push(`${Buffer.from(key)} ${text}`);
  }
  assert.equal(lines.sort().join('\n'), stateAfter(number));
  assert.equal(String(await reader.get(Buffer.from('number'))), `${number}`);
  return number;
}

test('a reader beside a process that is killed and started again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'engine-reader-'));
  let writer = startWriter(directory);
  try {
    let reader: EngineReader | undefined;
    await until(
      async () => {
        reader ??= await openReadOnly(directory).catch((error: LsmError) => {
          if (error.code !== 'NOT_FOUND' && error.code !== 'CHANGING') throw error;
          return undefined;
        });
        return (
          reader !== undefined &&
          (await refreshed(reader)) &&
          (await reader.get(Buffer.from('number'))) !== undefined
        );
      },
      TIMEOUT_MS,
      () => 'nothing was written',
    );
    await using first = reader as EngineReader;
    let shown = 0;
    for (let round = 1; round <= KILLS; round++) {
      const target = shown + BATCHES;
      await until(
        async () => {
          await refreshed(first);
          const number = await numberShown(first);
          assert.ok(number >= shown, `${number} after ${shown}`);
          shown = number;
          return number >= target;
        },
        TIMEOUT_MS,
        () => `${shown} of ${target} batches`,
      );
      await kill(writer);
      assert.ok(await refreshed(first));
      const left = await numberShown(first);
      assert.ok(left >= shown);
      // Nothing of it is lost by the next start.
      shown = left;
      {
        await using another = await openReadOnly(directory);
        assert.equal(await numberShown(another), left);
      }
      if (round < KILLS) writer = startWriter(directory);
    }
  } finally {
    writer.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
});
