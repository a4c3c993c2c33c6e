/** Carries out the operations of a model test on an engine and on the model, and compares their answers. */
import assert from 'node:assert/strict';
import {
  type Engine,
  type EngineOptions,
  encodeRecord,
  keyBehind,
  SLOT_COUNT,
  type Snapshot,
  slotOf,
} from '../../native-free-lsm/index.ts';
import { VersionSource } from '../../native-free-lsm/version-source.ts';
import { readRecord } from './engine-calls.ts';
import { stopped } from './engine-crash.ts';
import { EngineModel, type Entries, type Version, visibleEntries, visibleValue } from './engine-model.ts';
import {
  type Bound,
  KEYS,
  type Operation,
  type Scanned,
  type VersionItem,
} from './engine-model-operations.ts';
import { checkSlots, lookAtSlots, MAX_FROM } from './engine-model-slots.ts';
import { backgroundAfter, EngineSimulation } from './engine-simulation.ts';
import { entriesOf, packRuns } from './packed-runs.ts';
import { pageEntries } from './page-entries.ts';

const DAY_MS = 86_400_000;
const AGE_TICKS = 137;
/** The writer of the versions that a run chooses itself; the engine's own have writer 0. */
const WRITER = 9;
const MAX_SNAPSHOTS = 3;
/** All from some key on. */
const WHOLE_RANGE = {
  end: null,
  isAbove: false,
  isUpTo: false,
  most: 1000,
  isLimited: false,
  values: true,
  seek: null,
} as const;
const NOTHING = new Uint8Array(0);

interface Taken {
  readonly snapshot: Snapshot;
  readonly entries: Entries;
}

export class ModelRun {
  readonly #options: Partial<EngineOptions>;
  readonly #model: EngineModel;
  /** By slot; null: the engine is used alone, and its records ask for no replicas. */
  readonly #watermarks: Float64Array | null;
  #simulation: EngineSimulation;
  #engine!: Engine;
  /** Issues the same versions as the engine: both are asked in the same order at the same times. */
  #versions!: VersionSource;
  #snapshots: Taken[] = [];

  private constructor(given: Partial<EngineOptions>, backgroundDelayMs: number, isReplica: boolean) {
    const watermarks = isReplica ? new SharedArrayBuffer(SLOT_COUNT * Float64Array.BYTES_PER_ELEMENT) : null;
    this.#watermarks = watermarks === null ? null : new Float64Array(watermarks);
    this.#options = { ...given, watermarks };
    this.#simulation = new EngineSimulation(this.#options, undefined, backgroundAfter(backgroundDelayMs));
    this.#model = new EngineModel((key) => this.#watermarkOf(slotOfName(key)));
  }

  /** @throws AssertionError where engine and model differ */
  static async check(
    options: Partial<EngineOptions>,
    backgroundDelayMs: number,
    operations: readonly Operation[],
    isReplica = false,
  ): Promise<void> {
    const run = new ModelRun(options, backgroundDelayMs, isReplica);
    await run.#open();
    for (const operation of operations) await run.#do(operation);
    await run.#checkAll();
    await run.#settle(run.#engine.close());
    assert.equal(run.#simulation.fs.openDescriptors, 0);
    await run.#open();
    await run.#checkAll();
    await run.#settle(run.#engine.close());
  }

  async #do(operation: Operation): Promise<void> {
    const engine = this.#engine;
    switch (operation.type) {
      case 'put':
        return this.#settle(this.#write([{ key: operation.key, value: bytesOf(operation) }]));
      case 'delete':
        return this.#settle(this.#write([{ key: operation.key, value: null }]));
      case 'batch': {
        const items = operation.items.map((item) => ({
          key: item.key,
          value: item.size < 0 ? null : bytesOf(item),
        }));
        return this.#settle(this.#write(items));
      }
      case 'burst':
        return this.#burst(operation);
      case 'versions':
        return this.#writeVersions(operation.items);
      case 'ingest':
        return this.#ingest(operation);
      case 'get':
        return this.#checkKey(operation.key);
      case 'getMany': {
        const found = await this.#settle(engine.getMany(operation.keys.map(keyOf)));
        const expected = operation.keys.map((key) => this.#visible(key));
        return assert.deepEqual(found.map(text), expected);
      }
      case 'range':
        return this.#checkRange(operation, this.#model.entries);
      case 'pages':
        return this.#checkPages(operation);
      case 'snapshot':
        this.#snapshots.push({ snapshot: engine.snapshot(), entries: new Map(this.#model.entries) });
        if (this.#snapshots.length > MAX_SNAPSHOTS) this.#snapshots.shift()?.snapshot.release();
        return;
      case 'readSnapshot':
        return this.#readSnapshot(operation);
      case 'releaseSnapshot':
        return this.#snapshots.splice(operation.which, 1)[0]?.snapshot.release();
      case 'flush':
      case 'compact':
        await this.#settle(operation.type === 'flush' ? engine.flush() : engine.compact());
        return this.#model.noteDurable();
      case 'idle':
        return this.#settle(engine.store.maintenanceIdle());
      case 'slots':
        return this.#checkSlots();
      case 'lookAtSlots':
        return lookAtSlots(engine.store, slotsOf(operation.keys));
      case 'settle':
        return this.#raiseWatermarks(operation);
      case 'pass':
        return this.#simulation.pass(operation.days * DAY_MS);
      case 'reopen':
        await this.#settle(engine.close());
        this.#model.noteDurable();
        return this.#open();
      case 'crash':
        return this.#crash(operation);
    }
  }

  async #open(): Promise<void> {
    this.#snapshots = [];
    this.#engine = await this.#simulation.openEngine();
    this.#versions = new VersionSource(this.#engine.store.newestTimestamp, this.#simulation.clock);
  }

  /** Writes the newest versions of keys, a null for a deletion; they become visible together. */
  #write(items: readonly { readonly key: number; readonly value: Uint8Array | null }[]): Promise<void> {
    const versions = items.map(
      ({ key, value }) => [name(key), this.#next(key, value === null ? null : latin1(value))] as const,
    );
    this.#model.write(versions);
    if (items.length === 0) return this.#engine.write([]);
    if (this.#watermarks !== null) {
      const puts = items.map(({ key, value }, index) => {
        const fields = { ...versions[index][1], tombstone: value === null };
        return { key: keyOf(key), record: encodeRecord(fields, value ?? NOTHING) };
      });
      return this.#writeRecords(puts).then(() => undefined);
    }
    const [{ key, value }] = items;
    if (items.length === 1)
      return value === null ? this.#engine.delete(keyOf(key)) : this.#engine.put(keyOf(key), value);
    return this.#engine.write(
      items.map((item) =>
        item.value === null
          ? { type: 'delete', key: keyOf(item.key) }
          : { type: 'put', key: keyOf(item.key), value: item.value },
      ),
    );
  }

  /** Many writes at once, so that memtables fill up and levels grow. */
  async #burst({ count, first, size }: { count: number; first: number; size: number }): Promise<void> {
    const calls: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const key = (first + i * 7) % KEYS;
      const bytes = Buffer.alloc(size, `${first}.${i}.`);
      calls.push(this.#write([{ key, value: bytes }]));
    }
    await this.#settle(Promise.all(calls));
  }

  async #writeVersions(items: readonly VersionItem[]): Promise<void> {
    const { puts, versions } = this.#versionsOf(items);
    if (puts.length === 0) return;
    const applied = this.#model.write(versions) > 0;
    const status = await this.#settle(this.#writeRecords(puts));
    assert.equal(status, applied ? 0 : 1, 'applied or stale');
  }

  /** Leaves out late versions of keys that may have been forgotten: nothing older may come, as the option says. */
  #versionsOf(items: readonly VersionItem[]): {
    readonly puts: { key: Buffer; record: Uint8Array }[];
    readonly versions: [string, Version][];
  } {
    const newest = this.#model.newestTimestamp + 1000;
    const nowMs = this.#simulation.clock.nowMs();
    const puts: { key: Buffer; record: Uint8Array }[] = [];
    const versions: [string, Version][] = [];
    for (const [i, item] of items.entries()) {
      if (items.slice(0, i).some(({ key }) => key === item.key)) continue;
      const timestamp = Math.max(1, newest - item.age * AGE_TICKS - i);
      if (
        timestamp <= newest - 1000 &&
        (this.#model.mayForget(name(item.key), nowMs) || item.days > 0 || this.#expires(item.key))
      )
        continue;
      const tombstone = item.size < 0;
      // In the middle of a day, so that no operation takes long enough to matter.
      const expiryMs = item.days === 0 || tombstone ? 0 : startOfDay(nowMs) + (item.days + 0.5) * DAY_MS;
      const value = tombstone ? new Uint8Array(0) : bytesOf(item);
      const from = this.#fromOf(item.key, timestamp);
      const fields = { timestamp, writer: WRITER, from, expiryMs };
      puts.push({ key: keyOf(item.key), record: encodeRecord({ ...fields, tombstone }, value) });
      versions.push([name(item.key), { ...fields, value: tombstone ? null : latin1(value) }]);
    }
    return { puts, versions };
  }

  /** Records that go below all others, while others of the same keys are put: each key has its newest version in the end. */
  async #ingest({ meanwhile, runs }: Operation & { type: 'ingest' }): Promise<void> {
    const { store } = this.#engine;
    const taken = runs.map((items) => this.#versionsOf(items));
    for (const { versions } of taken) this.#model.write(versions);
    const { entries, pieces } = packRuns(taken.map(({ puts }) => puts));
    const timestamps = taken.flatMap(({ versions }) => versions.map(([, { timestamp }]) => timestamp));
    const ingesting = store.ingest({
      entries,
      runs: pieces,
      largestTimestamp: Math.max(0, ...timestamps),
      smallestKey: NOTHING,
      largestKey: Buffer.from([0xff]),
    });
    const others = meanwhile.map((item) => this.#versionsOf([item]));
    for (const { versions } of others) this.#model.write(versions);
    const written = others.map(({ puts }) => (puts.length === 0 ? 0 : this.#writeRecords(puts)));
    const left = await this.#settle(ingesting);
    await this.#settle(Promise.all(written));
    const rest = left === null ? taken.flatMap(({ puts }) => puts) : entriesOf(left);
    for (const put of rest) await this.#settle(this.#writeRecords([put]));
    if (this.#options.durability === 'sync') return;
    // What was taken is durable, whatever becomes of writes that were before it.
    await this.#settle(this.#engine.flush());
    this.#model.noteDurable();
  }

  #writeRecords(puts: readonly { readonly key: Uint8Array; readonly record: Uint8Array }[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const onWrite = (_token: number, code: number, _time: number, _writer: number, error: Error | null) =>
        error === null ? resolve(code) : reject(error);
      this.#engine.store.writeBatch(puts, { onWrite }, 0);
    });
  }

  async #checkSlots(): Promise<void> {
    const nowMs = this.#simulation.clock.nowMs();
    const watermarkOf = (slot: number): number => this.#watermarkOf(slot);
    await this.#settle(checkSlots(this.#engine.store, this.#model, ALL_SLOTS, watermarkOf, nowMs));
  }

  /** A node tells its engine so when no write at or below these timestamps comes any more. */
  #raiseWatermarks({ keys, age }: Operation & { type: 'settle' }): void {
    const watermarks = this.#watermarks;
    if (watermarks === null) return;
    const timestamp = this.#model.newestTimestamp - age * AGE_TICKS;
    for (const key of keys) {
      const slot = slotOfName(name(key));
      watermarks[slot] = Math.max(watermarks[slot], timestamp);
    }
    this.#engine.store.purge();
  }

  /** The largest timestamp with which a deletion of the slot may be forgotten. */
  #watermarkOf(slot: number): number {
    return Math.max((this.#options.dropTombstonesBelow ?? 0) - 1, this.#watermarks?.[slot] ?? 0);
  }

  async #checkKey(key: number): Promise<void> {
    const found = await this.#settle(this.#engine.get(keyOf(key)));
    assert.equal(text(found), this.#visible(key), `the value of ${name(key)}`);
    assert.equal(text(this.#engine.getSync(keyOf(key))), this.#visible(key), `${name(key)}, read at once`);
    const record = await this.#settle(readRecord(this.#engine.store, keyOf(key)));
    this.#model.checkRecord(name(key), record, this.#simulation.clock.nowMs());
  }

  async #checkAll(): Promise<void> {
    for (let key = 0; key < KEYS; key++) await this.#checkKey(key);
    await this.#checkSlots();
    const start = { key: 0, place: 'first' } as const;
    for (const reverse of [false, true])
      await this.#checkRange({ ...WHOLE_RANGE, start, reverse }, this.#model.entries);
  }

  async #checkRange(scanned: Scanned, entries: Entries, snapshot?: Snapshot): Promise<void> {
    const { isAbove, isLimited, isUpTo, most, reverse, seek, values } = scanned;
    const from = boundOf(scanned.start);
    const to = scanned.end === null ? null : boundOf(scanned.end);
    const found: [string, string][] = [];
    const read = async (): Promise<void> => {
      await using scan = this.#engine.range({
        ...(isAbove ? { gt: from } : { gte: from }),
        ...(to !== null && (isUpTo ? { lte: to } : { lt: to })),
        ...(isLimited && { limit: most }),
        ...(snapshot !== undefined && { snapshot }),
        reverse,
        values,
      });
      if (seek !== null) {
        for (let left = seek.after; left > 0; left--) await scan.next();
        scan.seek(boundOf(seek.to));
      }
      for await (const { key, value } of scan) {
        found.push([latin1(key), latin1(value)]);
        if (found.length === most) break;
      }
    };
    await this.#settle(read());
    const nowMs = this.#simulation.clock.nowMs();
    const ascending = visibleEntries(entries, nowMs)
      .filter(([key]) => (isAbove ? key > latin1(from) : key >= latin1(from)))
      .filter(([key]) => to === null || key < latin1(to) || (isUpTo && key === latin1(to)))
      .map(([key, value]): [string, string] => [key, values ? value : '']);
    const all = reverse ? ascending.toReversed() : ascending;
    let expected = all;
    let left = most;
    if (seek !== null) {
      const target = latin1(boundOf(seek.to));
      expected = all.filter(([key]) => (reverse ? key <= target : key >= target));
      if (isLimited) left -= Math.min(seek.after, all.length, most);
    }
    assert.deepEqual(found, expected.slice(0, left), 'a range');
  }

  async #checkPages(request: Operation & { type: 'pages' }): Promise<void> {
    const { maxBytes, maxEntries, includeTombstones, reverse } = request;
    const from = boundOf(request.start);
    const to = request.end === null ? null : boundOf(request.end);
    const found: string[] = [];
    for (let start: Uint8Array = from, end: Uint8Array | null = to; ; ) {
      const limits = { maxBytes, maxEntries, includeTombstones, encoder: 0, nowMs: 0, reverse };
      const page = await this.#settle(this.#engine.store.rangePage({ start, end, ...limits }));
      assert.ok(page.usedBytes <= maxBytes || maxBytes <= 100, 'no more bytes than were asked for');
      const entries = pageEntries(page);
      assert.ok(entries.length <= maxEntries, 'no more entries than were asked for');
      for (const [key, record] of entries) {
        found.push(latin1(key));
        this.#model.checkRecord(latin1(key), record, this.#simulation.clock.nowMs());
      }
      if (page.resumeAt === null) break;
      if (reverse) end = keyBehind(page.resumeAt);
      else start = page.resumeAt;
    }
    const nowMs = this.#simulation.clock.nowMs();
    const first = latin1(from);
    const asked = [...this.#model.entries.keys()]
      .filter((key) => key >= first)
      .filter((key) => to === null || key < latin1(to))
      .sort();
    if (reverse) asked.reverse();
    const mustBe = asked.filter((key) =>
      includeTombstones ? !this.#model.mayForget(key, nowMs) : this.#visibleName(key) !== undefined,
    );
    assert.deepEqual(
      found,
      asked.filter((key) => found.includes(key)),
      'pages in order, each key once',
    );
    assert.deepEqual(
      mustBe.filter((key) => !found.includes(key)),
      [],
      'no key is left out',
    );
  }

  async #readSnapshot({ which, key, whole }: { which: number; key: number; whole: boolean }): Promise<void> {
    const taken = this.#snapshots[which];
    if (taken === undefined) return;
    const found = await this.#settle(this.#engine.get(keyOf(key), taken.snapshot));
    const nowMs = this.#simulation.clock.nowMs();
    assert.equal(text(found), visibleValue(taken.entries, name(key), nowMs), 'in a snapshot');
    if (!whole) return;
    const start = { key, place: 'at' } as const;
    for (const reverse of [false, true])
      await this.#checkRange({ ...WHOLE_RANGE, start, reverse }, taken.entries, taken.snapshot);
  }

  async #crash({ stop, seed }: Operation & { type: 'crash' }): Promise<void> {
    const next = this.#simulation.restartWith(stopped(this.#simulation.fs, stop, seed));
    next.clock.setWallMs(this.#simulation.clock.nowMs());
    this.#simulation = next;
    await this.#open();
    const found = new Map<string, Uint8Array | null>();
    for (let key = 0; key < KEYS; key++)
      found.set(name(key), await this.#settle(readRecord(this.#engine.store, keyOf(key))));
    const all = stop === 'kill' || this.#options.durability === 'sync';
    this.#model.afterStop(found, all, this.#simulation.clock.nowMs());
  }

  #next(key: number, value: string | null): Version {
    const timestamp = this.#versions.next();
    return { timestamp, writer: 0, value, expiryMs: 0, from: this.#fromOf(key, timestamp) };
  }

  /** As it changes from write to write, so must what counts for whom. */
  #fromOf(key: number, timestamp: number): number {
    return this.#watermarks === null ? 1 : 1 + ((key + timestamp) % MAX_FROM);
  }

  #expires(key: number): boolean {
    return (this.#model.entries.get(name(key))?.expiryMs ?? 0) > 0;
  }

  #visible(key: number): string | undefined {
    return this.#visibleName(name(key));
  }

  #visibleName(key: string): string | undefined {
    return visibleValue(this.#model.entries, key, this.#simulation.clock.nowMs());
  }

  #settle<T>(promise: Promise<T>): Promise<T> {
    return this.#simulation.settle(promise);
  }
}

/** Keys of many lengths; some are the beginning of others, and one of all. */
function keyOf(index: number): Buffer {
  if (index === 0) return Buffer.alloc(0);
  return Buffer.from(`${'k'.repeat(1 + (index % 3))}${index}`);
}

function name(index: number): string {
  return keyOf(index).toString('latin1');
}

function slotOfName(key: string): number {
  return slotOf(Buffer.from(key, 'latin1'), 0, key.length);
}

function slotsOf(keys: readonly number[]): Uint16Array {
  return Uint16Array.from(new Set(keys.map((key) => slotOfName(name(key)))));
}

const ALL_SLOTS = slotsOf(Array.from({ length: KEYS }, (_, key) => key));

function boundOf({ key, place }: Bound): Buffer {
  const at = keyOf(key);
  if (place === 'first') return Buffer.alloc(0);
  if (place === 'piece') return at.subarray(0, 1 + (key % Math.max(1, at.length)));
  return place === 'behind' ? Buffer.concat([at, Buffer.of(0)]) : at;
}

function bytesOf({ size, fill }: { size: number; fill: number }): Buffer {
  return Buffer.alloc(size, fill);
}

function startOfDay(ms: number): number {
  return ms - (ms % DAY_MS);
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : latin1(bytes);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
