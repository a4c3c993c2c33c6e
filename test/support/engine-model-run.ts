/** Carries out the operations of a model test on an engine and on the model, and compares their answers. */
import assert from 'node:assert/strict';
import {
  type Engine,
  type EngineOptions,
  type EngineReader,
  isTombstone,
  keyBehind,
  SLOT_COUNT,
  type Snapshot,
} from '../../native-free-lsm/index.ts';
import { readRecord } from './engine-calls.ts';
import { stopped } from './engine-crash.ts';
import { EngineModel, type Entries, visibleEntries, visibleValue } from './engine-model.ts';
import { visibleVersion } from './engine-model-conditions.ts';
import {
  boundOf,
  boundsOf,
  KEYS,
  keyOf,
  latin1,
  nameOfKey,
  SLOTS_OF_ALL_KEYS,
  slotOfName,
  slotsOfKeys,
} from './engine-model-keys.ts';
import { AGE_TICKS, type Operation, type Scanned } from './engine-model-operations.ts';
import { checkSlots, lookAtSlots } from './engine-model-slots.ts';
import { ModelWrites } from './engine-model-writes.ts';
import { backgroundAfter, EngineSimulation } from './engine-simulation.ts';
import { pageEntries } from './page-entries.ts';

/** As small as the engine's own. */
const READER_OPTIONS = { maxRecordBytes: 16 << 10, memtableBytes: 64 << 10, blockCacheBytes: 64 << 10 };
const DAY_MS = 86_400_000;
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

/** What a reader beside the engine shows. */
interface Beside {
  readonly reader: EngineReader;
  entries: Entries;
}

interface Taken {
  readonly snapshot: Snapshot;
  readonly entries: Entries;
}

/** How many entries a scan that is read at once gives at a time. */
const AT_ONCE = 3;

export class ModelRun {
  readonly #options: Partial<EngineOptions>;
  readonly #model: EngineModel;
  /** By slot; null: the engine is used alone, and its records ask for no replicas. */
  readonly #watermarks: Float64Array | null;
  #simulation: EngineSimulation;
  #engine!: Engine;
  #writes!: ModelWrites;
  #snapshots: Taken[] = [];
  /** Whether a range was deleted: of what it hides nobody knows whether it is among the rows of a slot. */
  #hasCleared = false;
  #copies = 0;
  /** How many keys have been read. */
  #looks = 0;
  /** Whether the range that was read last was read at once before it was waited for. */
  #isRangeAtOnceFirst = false;
  #beside: Beside | undefined;

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
    await run.#closeBeside();
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
      case 'delete':
      case 'batch':
      case 'largeBatch':
      case 'conditional':
      case 'burst':
      case 'versions':
      case 'ingest':
        return this.#writes.do(operation);
      case 'clear':
        this.#hasCleared = true;
        return this.#writes.do(operation);
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
      case 'checkpoint':
        return this.#checkpoint();
      case 'beside':
        return this.#lookBeside(operation);
      case 'idle':
        return this.#settle(engine.store.maintenanceIdle());
      case 'slots':
        return this.#checkSlots();
      case 'lookAtSlots':
        return lookAtSlots(engine.store, slotsOfKeys(operation.keys));
      case 'settle':
        return this.#raiseWatermarks(operation);
      case 'pass':
        return this.#simulation.pass(operation.days * DAY_MS);
      case 'pause':
        return this.#simulation.pass(operation.ms);
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
    this.#writes = new ModelWrites(this.#engine, this.#model, this.#simulation, this.#watermarks !== null);
  }

  /** The engine's copy has what the engine has, and can be written to. */
  async #checkpoint(): Promise<void> {
    const directory = `/copy ${this.#copies++}`;
    await this.#settle(this.#engine.checkpoint(directory));
    const copy = await this.#simulation.openEngineAt(directory);
    const nowMs = this.#simulation.clock.nowMs();
    for (let key = 0; key < KEYS; key++) {
      const record = await this.#settle(readRecord(copy.store, keyOf(key)));
      this.#model.checkRecord(nameOfKey(key), record, nowMs);
    }
    const added = Buffer.from('of the copy alone');
    await this.#settle(copy.put(added, added));
    assert.equal(text(await this.#settle(copy.get(added))), latin1(added));
    await this.#settle(copy.close());
    assert.equal(await this.#settle(this.#engine.get(added)), undefined);
  }

  async #checkSlots(): Promise<void> {
    if (this.#hasCleared && this.#watermarks === null) {
      for (const slot of SLOTS_OF_ALL_KEYS) await this.#settle(this.#engine.store.slotVersions(slot));
      return;
    }
    const nowMs = this.#simulation.clock.nowMs();
    const watermarkOf = (slot: number): number => this.#watermarkOf(slot);
    await this.#settle(checkSlots(this.#engine.store, this.#model, SLOTS_OF_ALL_KEYS, watermarkOf, nowMs));
  }

  /** A node tells its engine so when no write at or below these timestamps comes any more. */
  #raiseWatermarks({ keys, age }: Operation & { type: 'settle' }): void {
    const watermarks = this.#watermarks;
    if (watermarks === null) return;
    const timestamp = this.#model.newestTimestamp - age * AGE_TICKS;
    for (const key of keys) {
      const slot = slotOfName(nameOfKey(key));
      watermarks[slot] = Math.max(watermarks[slot], timestamp);
    }
    this.#engine.store.purge();
  }

  /** The largest timestamp with which a deletion of the slot may be forgotten. */
  #watermarkOf(slot: number): number {
    return Math.max((this.#options.dropTombstonesBelow ?? 0) - 1, this.#watermarks?.[slot] ?? 0);
  }

  async #checkKey(key: number): Promise<void> {
    // What the first of the two reads from the disk is in the cache for the other.
    const isAtOnceFirst = this.#looks++ % 2 === 0;
    if (isAtOnceFirst) this.#checkAtOnce(key);
    const found = await this.#settle(this.#engine.get(keyOf(key)));
    assert.equal(text(found), this.#visible(key), `the value of ${nameOfKey(key)}`);
    if (!isAtOnceFirst) this.#checkAtOnce(key);
    const record = await this.#settle(readRecord(this.#engine.store, keyOf(key)));
    this.#model.checkRecord(nameOfKey(key), record, this.#simulation.clock.nowMs());
    const versioned = await this.#settle(this.#engine.getVersioned(keyOf(key)));
    const nowMs = this.#simulation.clock.nowMs();
    assert.equal(text(versioned?.value), this.#visible(key), `${nameOfKey(key)}, read with its version`);
    assert.equal(versioned?.version ?? null, visibleVersion(this.#model.entries, key, nowMs));
    if (versioned !== undefined)
      assert.equal(versioned.expiryMs ?? 0, this.#model.entries.get(nameOfKey(key))?.expiryMs);
  }

  async #checkAll(): Promise<void> {
    for (let key = 0; key < KEYS; key++) await this.#checkKey(key);
    await this.#checkSlots();
    const start = { key: 0, place: 'first' } as const;
    for (const reverse of [false, true])
      await this.#checkRange({ ...WHOLE_RANGE, start, reverse }, this.#model.entries);
  }

  async #checkRange(
    scanned: Scanned,
    entries: Entries,
    snapshot?: Snapshot,
    engine: Pick<Engine, 'range'> = this.#engine,
  ): Promise<void> {
    const { isLimited, most, reverse, seek, values } = scanned;
    const options = {
      ...boundsOf(scanned),
      ...(isLimited && { limit: most }),
      ...(snapshot !== undefined && { snapshot }),
      reverse,
      values,
    };
    const read = async (): Promise<void> => {
      const found: [string, string][] = [];
      await using scan = engine.range(options);
      if (seek !== null) {
        for (let left = seek.after; left > 0; left--) await scan.next();
        scan.seek(boundOf(seek.to));
      }
      for await (const { key, value } of scan) {
        found.push([latin1(key), latin1(value)]);
        if (found.length === most) break;
      }
      assert.deepEqual(found, this.#expectedRange(scanned, entries), 'a range');
    };
    const readAtOnce = (): void => {
      const found: [string, string][] = [];
      const scan = engine.range(options);
      if (seek !== null) {
        for (let left = seek.after; left > 0; left--) scan.nextManySync(1);
        scan.seek(boundOf(seek.to));
      }
      while (found.length < most) {
        const next = scan.nextManySync(Math.min(AT_ONCE, most - found.length));
        if (next.length === 0) break;
        for (const { key, value } of next) found.push([latin1(key), latin1(value)]);
      }
      assert.deepEqual(found, this.#expectedRange(scanned, entries), 'a range, read at once');
    };
    // What the first of the two finds in a table is in the cache for the other.
    this.#isRangeAtOnceFirst = !this.#isRangeAtOnceFirst;
    if (this.#isRangeAtOnceFirst) readAtOnce();
    await this.#settle(read());
    if (!this.#isRangeAtOnceFirst) readAtOnce();
  }

  #expectedRange(scanned: Scanned, entries: Entries): [string, string][] {
    const { isAbove, isLimited, isUpTo, most, reverse, seek, values } = scanned;
    const from = boundOf(scanned.start);
    const to = scanned.end === null ? null : boundOf(scanned.end);
    const ascending = visibleEntries(entries, this.#simulation.clock.nowMs())
      .filter(([key]) => (isAbove ? key > latin1(from) : key >= latin1(from)))
      .filter(([key]) => to === null || key < latin1(to) || (isUpTo && key === latin1(to)))
      .map(([key, value]): [string, string] => [key, values ? value : '']);
    const all = reverse ? ascending.toReversed() : ascending;
    if (seek === null) return all.slice(0, most);
    const target = latin1(boundOf(seek.to));
    const left = isLimited ? most - Math.min(seek.after, all.length, most) : most;
    return all.filter(([key]) => (reverse ? key <= target : key >= target)).slice(0, left);
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
        // A table of nothing but deletions of ranges begins with the deletion of a key, which may be nobody's.
        const isNobodys = this.#hasCleared && !this.#model.entries.has(latin1(key));
        if (isNobodys && isTombstone(record, 0)) continue;
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
      includeTombstones
        ? !this.#model.mayForget(key, nowMs) && !this.#model.entries.get(key)?.isCleared
        : this.#visibleName(key) !== undefined,
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

  #checkAtOnce(key: number): void {
    const found = text(this.#engine.getSync(keyOf(key)));
    assert.equal(found, this.#visible(key), `${nameOfKey(key)}, read at once`);
  }

  async #readSnapshot({ which, key, whole }: { which: number; key: number; whole: boolean }): Promise<void> {
    if (this.#snapshots.length === 0) return;
    const taken = this.#snapshots[which % this.#snapshots.length];
    const found = await this.#settle(this.#engine.get(keyOf(key), taken.snapshot));
    const nowMs = this.#simulation.clock.nowMs();
    assert.equal(text(found), visibleValue(taken.entries, nameOfKey(key), nowMs), 'in a snapshot');
    const atOnce = this.#engine.getSync(keyOf(key), taken.snapshot);
    assert.equal(text(atOnce), text(found), 'in a snapshot, read at once');
    if (!whole) return;
    const start = { key, place: 'at' } as const;
    for (const reverse of [false, true])
      await this.#checkRange({ ...WHOLE_RANGE, start, reverse }, taken.entries, taken.snapshot);
  }

  async #lookBeside({ from, isRefreshed }: Operation & { type: 'beside' }): Promise<void> {
    if (this.#beside === undefined) {
      const opening = this.#simulation.openReader(READER_OPTIONS);
      this.#beside = { reader: await this.#settle(opening), entries: new Map(this.#model.entries) };
    } else if (isRefreshed) {
      await this.#settle(this.#beside.reader.refresh());
      this.#beside.entries = new Map(this.#model.entries);
    }
    const { entries, reader } = this.#beside;
    for (let key = 0; key < KEYS; key++) {
      const found = await this.#settle(reader.getVersioned(keyOf(key)));
      const nowMs = this.#simulation.clock.nowMs();
      const expected = visibleValue(entries, nameOfKey(key), nowMs);
      assert.equal(text(found?.value), expected, `the value of ${nameOfKey(key)}, beside`);
      assert.equal(found?.version ?? null, visibleVersion(entries, key, nowMs));
    }
    const start = { key: from, place: 'at' } as const;
    for (const reverse of [false, true])
      await this.#checkRange({ ...WHOLE_RANGE, start, reverse }, entries, undefined, reader);
  }

  async #closeBeside(): Promise<void> {
    const reader = this.#beside?.reader;
    this.#beside = undefined;
    if (reader !== undefined) await this.#settle(reader.close());
  }

  async #crash({ stop, seed }: Operation & { type: 'crash' }): Promise<void> {
    await this.#closeBeside();
    const next = this.#simulation.restartWith(stopped(this.#simulation.fs, stop, seed));
    next.clock.setWallMs(this.#simulation.clock.nowMs());
    this.#simulation = next;
    await this.#open();
    const found = new Map<string, Uint8Array | null>();
    for (let key = 0; key < KEYS; key++)
      found.set(nameOfKey(key), await this.#settle(readRecord(this.#engine.store, keyOf(key))));
    const all = stop === 'kill' || this.#options.durability === 'sync';
    this.#model.afterStop(found, all, this.#simulation.clock.nowMs());
  }

  #visible(key: number): string | undefined {
    return this.#visibleName(nameOfKey(key));
  }

  #visibleName(key: string): string | undefined {
    return visibleValue(this.#model.entries, key, this.#simulation.clock.nowMs());
  }

  #settle<T>(promise: Promise<T>): Promise<T> {
    return this.#simulation.settle(promise);
  }
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : latin1(bytes);
}
