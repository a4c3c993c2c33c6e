/**
 * What of the installed engine works on the runtime that runs this file, feature by feature, as JSON. Bun, Deno and
 * Node from 22.18 on run it as it is:
 *
 *     bun test/packages/engine-features.ts node_modules/native-free-lsm/dist/index.js
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

type Door = typeof import('../../native-free-lsm/index.ts');

const bytes = (text: string): Buffer => Buffer.from(text);
const textOf = (value: Uint8Array | undefined): string =>
  value === undefined ? '' : Buffer.from(value).toString();

async function features(door: Door, directory: string): Promise<Record<string, string>> {
  const results: Record<string, string> = {};
  const attempt = async (name: string, use: () => Promise<boolean | string>): Promise<void> => {
    try {
      const used = await use();
      results[name] = typeof used === 'string' ? used : used ? 'works' : 'gives a wrong result';
    } catch (error) {
      results[name] = `fails: ${error instanceof Error ? error.message : String(error)}`;
    }
  };
  const engine = await door.open(directory, { bottomCompression: 'zstd' });
  try {
    await attempt('put, get, delete', async () => {
      await engine.put(bytes('a'), bytes('1'));
      await engine.put(bytes('b'), bytes('2'));
      await engine.delete(bytes('b'));
      return textOf(await engine.get(bytes('a'))) === '1' && (await engine.get(bytes('b'))) === undefined;
    });
    await attempt('batches', async () => {
      const operations = Array.from({ length: 5000 }, (_, i) => {
        return {
          type: 'put' as const,
          key: bytes(`key${String(i).padStart(5, '0')}`),
          value: bytes(`value ${i}`),
        };
      });
      await engine.write(operations);
      return textOf(await engine.get(bytes('key04999'))) === 'value 4999';
    });
    await attempt('snapshots', async () => {
      using snapshot = engine.snapshot();
      await engine.put(bytes('a'), bytes('3'));
      return textOf(await engine.get(bytes('a'), snapshot)) === '1';
    });
    await attempt('flush, compaction with zstd', async () => {
      await engine.flush();
      await engine.compact();
      return textOf(await engine.get(bytes('key00017'))) === 'value 17';
    });
    await attempt('ranges from tables', async () => {
      let count = 0;
      for await (const { key } of engine.range({ gte: bytes('key'), lt: bytes('kez') })) {
        if (textOf(key) === `key${String(count).padStart(5, '0')}`) count++;
      }
      return count === 5000;
    });
    await attempt('a reader beside the writer', async () => {
      const reader = await door.openReadOnly(directory);
      try {
        await engine.put(bytes('key00017'), bytes('new'));
        const before = textOf(await reader.get(bytes('key00017')));
        const isNew = await reader.refresh();
        return before === 'value 17' && isNew && textOf(await reader.get(bytes('key00017'))) === 'new';
      } finally {
        await reader.close();
      }
    });
    await attempt('reads of what the writer has removed', async () => {
      const reader = await door.openReadOnly(directory);
      try {
        await engine.compact();
        let failed = false;
        const old = await reader.get(bytes('key00018')).catch(async (error: { code?: string }) => {
          if (error.code !== 'IO_ERROR') throw error;
          failed = true;
          await reader.refresh();
          return reader.get(bytes('key00018'));
        });
        let count = 0;
        for await (const _ of reader.range({ gte: bytes('key'), lt: bytes('kez') })) count++;
        if (textOf(old) !== 'value 18' || count !== 5000) return false;
        return failed ? 'fails with IO_ERROR until refresh()' : true;
      } finally {
        await reader.close();
      }
    });
    await attempt('a range that is cleared', async () => {
      await engine.clear({ gte: bytes('key01000'), lt: bytes('key04000') });
      await engine.compact();
      let count = 0;
      for await (const _ of engine.range({ gte: bytes('key'), lt: bytes('kez') })) count++;
      return count === 2000 && (await engine.get(bytes('key01000'))) === undefined;
    });
    await attempt('refuses a second opener', async () => {
      const second = await door.open(directory).catch((error: { code?: string }) => error.code);
      return second === 'LOCKED';
    });
  } finally {
    await attempt('closes', async () => {
      await engine.close();
      return true;
    });
  }
  await attempt('opens again', async () => {
    const again = await door.open(directory, { createIfMissing: false });
    const value = textOf(await again.get(bytes('a')));
    await again.close();
    return value === '3';
  });
  await attempt('repair of a stopped folder', async () => {
    await door.repair(directory);
    const repaired = await door.open(directory, { createIfMissing: false });
    const values = [textOf(await repaired.get(bytes('a'))), textOf(await repaired.get(bytes('key04999')))];
    await repaired.close();
    return values.join() === '3,value 4999';
  });
  return results;
}

const directory = mkdtempSync(path.join(tmpdir(), 'engine-features-'));
try {
  const door = (await import(pathToFileURL(path.resolve(process.argv[2])).href)) as Door;
  console.log(JSON.stringify(await features(door, path.join(directory, 'data'))));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
