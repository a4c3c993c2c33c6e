/** SQLite as Node has it: a table without row ids, keyed by the key. Every call is synchronous. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isWhole, type OpenStore, type Store, type StoreSettings, synchronous } from './store.ts';

const KIB = 1024;

export async function loadSqlite(): Promise<OpenStore> {
  return async (settings) => openSqlite(settings);
}

function openSqlite({ cacheBytes, directory, isSynced }: StoreSettings): Store {
  const db = new DatabaseSync(join(directory, 'sqlite.db'));
  db.exec('PRAGMA journal_mode = WAL');
  db.exec(`PRAGMA synchronous = ${isSynced ? 'FULL' : 'OFF'}`);
  db.exec(`PRAGMA cache_size = -${Math.floor(cacheBytes / KIB)}`);
  db.exec('CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID');
  const put = db.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?)');
  const remove = db.prepare('DELETE FROM entries WHERE key = ?');
  const get = db.prepare('SELECT value FROM entries WHERE key = ?');
  const up = db.prepare('SELECT key, value FROM entries ORDER BY key');
  const down = db.prepare('SELECT key, value FROM entries ORDER BY key DESC');
  const from = db.prepare('SELECT key, value FROM entries WHERE key >= ? ORDER BY key LIMIT ?');
  // An array for a row is cheaper than an object.
  for (const statement of [get, up, down, from]) statement.setReturnArrays(true);
  const valueIn = (row: unknown): Uint8Array | undefined => (row as readonly Uint8Array[] | undefined)?.[0];
  return {
    batch: synchronous('a transaction', (writes) => {
      db.exec('BEGIN');
      for (const { key, value } of writes) {
        if (value === undefined) remove.run(key);
        else put.run(key, value);
      }
      db.exec('COMMIT');
      return undefined;
    }),
    puts: [
      synchronous('run', (key, value) => {
        put.run(key, value);
        return undefined;
      }),
    ],
    reads: [
      synchronous('get', (keys) => {
        let whole = 0;
        for (const key of keys) if (isWhole(valueIn(get.get(key)))) whole++;
        return whole;
      }),
    ],
    scans: [
      synchronous('iterate', (reverse) => {
        let entries = 0;
        for (const _row of (reverse ? down : up).iterate()) entries++;
        return entries;
      }),
    ],
    starts: [synchronous('all', (key, entries) => from.all(key, entries).length)],
    [Symbol.asyncDispose]: async () => db.close(),
  };
}
