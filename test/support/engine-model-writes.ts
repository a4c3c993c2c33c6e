/** The writes of a model test, carried out on an engine and on the model. */
import assert from 'node:assert/strict';
import { conditionalWrite } from '../../native-free-lsm/conditional-write.ts';
import {
  type ConditionalResult,
  type Engine,
  encodeRecord,
  type KeyedRecord,
  type KeyOperation,
  type WriteCondition,
} from '../../native-free-lsm/index.ts';
import { isEmptyRange, keyRange } from '../../native-free-lsm/iterator/key-range.ts';
import { VersionSource } from '../../native-free-lsm/version-source.ts';
import type { EngineModel, Version } from './engine-model.ts';
import { conditionsOf, refusalOf } from './engine-model-conditions.ts';
import { boundsOf, KEYS, keyOf, latin1, nameOfKey } from './engine-model-keys.ts';
import { AGE_TICKS, type Operation, type VersionItem, type WriteManner } from './engine-model-operations.ts';
import { MAX_FROM } from './engine-model-slots.ts';
import type { EngineSimulation } from './engine-simulation.ts';
import { entriesOf, packRuns } from './packed-runs.ts';

const DAY_MS = 86_400_000;
/** The writer of the versions that a run chooses itself; the engine's own have writer 0. */
const WRITER = 9;
const NOTHING = new Uint8Array(0);

/** A key and its new value; null: it is deleted. */
interface Item {
  readonly key: number;
  readonly value: Uint8Array | null;
}

type WriteOperation = Operation & {
  readonly type:
    | 'put'
    | 'delete'
    | 'batch'
    | 'largeBatch'
    | 'conditional'
    | 'burst'
    | 'versions'
    | 'ingest'
    | 'clear';
};

/** For one opening of the engine. */
export class ModelWrites {
  readonly #engine: Engine;
  readonly #model: EngineModel;
  readonly #simulation: EngineSimulation;
  /** Whether the engine is a node's, whose records ask for replicas. */
  readonly #isReplica: boolean;
  /** Issues the same versions as the engine: both are asked in the same order at the same times. */
  readonly #versions: VersionSource;

  constructor(engine: Engine, model: EngineModel, simulation: EngineSimulation, isReplica: boolean) {
    this.#engine = engine;
    this.#model = model;
    this.#simulation = simulation;
    this.#isReplica = isReplica;
    this.#versions = new VersionSource(engine.store.newestTimestamp, simulation.clock);
  }

  /** @throws AssertionError when the engine answers otherwise than the model */
  do(operation: WriteOperation): Promise<void> {
    switch (operation.type) {
      case 'put':
        return this.#writeNow([{ key: operation.key, value: bytesOf(operation) }], operation);
      case 'delete':
        return this.#writeNow([{ key: operation.key, value: null }], operation);
      case 'batch':
        return this.#writeNow(operation.items.map(itemOf), operation);
      case 'largeBatch':
        return this.#writeLarge(operation);
      case 'conditional':
        return this.#writeIf(operation);
      case 'burst':
        return this.#burst(operation);
      case 'versions':
        return this.#writeVersions(operation.items);
      case 'ingest':
        return this.#ingest(operation);
      case 'clear':
        return this.#clear(operation);
    }
  }

  async #writeNow(items: readonly Item[], manner: WriteManner): Promise<void> {
    await this.#simulation.settle(this.#write(items, manner));
    if (manner.sync && items.length > 0) this.#model.noteDurable();
  }

  /** Writes the newest versions of keys, a null for a deletion; they become visible together. */
  #write(items: readonly Item[], manner: WriteManner = {}): Promise<void> {
    const versions = this.#nextVersions(items, manner);
    this.#model.write(versions);
    return this.#writeVersionsOf(items, versions, manner);
  }

  #nextVersions(items: readonly Item[], { days = 0 }: WriteManner): (readonly [string, Version])[] {
    const expiryMs = this.#endAfter(days);
    return items.map(({ key, value }) => {
      const timestamp = this.#versions.next();
      const from = this.#fromOf(key, timestamp);
      const lifeEnd = value === null ? 0 : expiryMs;
      const version = { timestamp, writer: 0, value: value && latin1(value), expiryMs: lifeEnd, from };
      return [nameOfKey(key), version] as const;
    });
  }

  #writeVersionsOf(
    items: readonly Item[],
    versions: readonly (readonly [string, Version])[],
    manner: WriteManner,
  ): Promise<void> {
    const { sync = false } = manner;
    if (items.length === 0) return this.#engine.write([], { sync });
    if (this.#isReplica) return this.#writeRecords(recordsOf(items, versions), sync).then(() => undefined);
    const [{ key, value }] = items;
    const ttl = this.#ttlOf(manner);
    if (items.length === 1) {
      return value === null
        ? this.#engine.delete(keyOf(key), { sync })
        : this.#engine.put(keyOf(key), value, { sync, ...ttl });
    }
    return this.#engine.write(
      items.map((item) => operationOf(item, ttl)),
      { sync },
    );
  }

  /** Of all keys, several times over: the last of several writes of a key counts. */
  #writeLarge({ rounds, size, ...manner }: Operation & { type: 'largeBatch' }): Promise<void> {
    const items = Array.from({ length: KEYS * rounds }, (_, i) => ({
      key: i % KEYS,
      value: i % 11 === 0 ? null : Buffer.alloc(size >> (i % 3), i),
    }));
    return this.#writeNow(items, manner);
  }

  async #writeIf({
    conditions,
    items: given,
    ...manner
  }: Operation & { type: 'conditional' }): Promise<void> {
    const { sync = false } = manner;
    const nowMs = this.#simulation.clock.nowMs();
    const { entries } = this.#model;
    const asked = conditionsOf(conditions, entries, nowMs);
    const refusal = refusalOf(conditions, entries, nowMs);
    // Of several operations on a key the last one counts.
    const items = given
      .map(itemOf)
      .filter(({ key }, i) => !given.slice(i + 1).some((later) => later.key === key));
    const timestamp = this.#versions.next();
    const expiryMs = this.#endAfter(manner.days ?? 0);
    const versions = items.map(({ key, value }): readonly [string, Version] => {
      const from = this.#fromOf(key, timestamp);
      const lifeEnd = value === null ? 0 : expiryMs;
      return [
        nameOfKey(key),
        { timestamp, writer: 0, value: value && latin1(value), expiryMs: lifeEnd, from },
      ];
    });
    const result = await this.#simulation.settle(
      this.#writeConditionally(asked, given.map(itemOf), items, versions, manner),
    );
    if (refusal !== undefined) {
      assert.deepEqual(result, refusal, 'the first condition that is not met');
      return;
    }
    // All of them may be older than versions that were written beside the engine.
    if (this.#model.write(versions) > 0) assert.deepEqual(result, { applied: true, version: timestamp });
    else assert.equal(result.applied, false);
    if (sync) this.#model.noteDurable();
  }

  /** By the call that is made for such a write, or, as a node, with records of its own. */
  #writeConditionally(
    asked: readonly WriteCondition<Uint8Array>[],
    given: readonly Item[],
    items: readonly Item[],
    versions: readonly (readonly [string, Version])[],
    manner: WriteManner,
  ): Promise<ConditionalResult> {
    const { sync = false } = manner;
    if (this.#isReplica) {
      const nowMs = this.#simulation.clock.nowMs();
      const conditions = asked.map(({ key, version }) => ({ key, timestamp: version ?? 0, nowMs }));
      const [[, { timestamp }]] = versions;
      return conditionalWrite(this.#engine.store, conditions, recordsOf(items, versions), timestamp, sync);
    }
    const ttl = this.#ttlOf(manner);
    const [condition] = asked;
    const [{ key, value }] = given;
    const isOfOneKey = asked.length === 1 && given.length === 1 && keyOf(key).equals(condition.key);
    if (isOfOneKey && value !== null)
      return this.#engine.putIf(condition.key, value, condition.version, { sync, ...ttl });
    if (isOfOneKey && condition.version !== null)
      return this.#engine.deleteIf(condition.key, condition.version, { sync });
    return this.#engine.writeIf(
      asked,
      given.map((item) => operationOf(item, ttl)),
      { sync },
    );
  }

  /** When a value ends that is to live so many days: in the middle of a day, so that no operation takes long enough to matter. */
  #endAfter(days: number): number {
    return days === 0 ? 0 : startOfDay(this.#simulation.clock.nowMs()) + (days + 0.5) * DAY_MS;
  }

  #ttlOf({ days = 0 }: WriteManner): { readonly ttlMs?: number } {
    return days === 0 ? {} : { ttlMs: this.#endAfter(days) - this.#simulation.clock.nowMs() };
  }

  async #clear(operation: Operation & { type: 'clear' }): Promise<void> {
    const bounds = boundsOf(operation);
    const range = keyRange(bounds);
    const { after = [], before = [], sync = false } = operation;
    const [head, tail] = [before.map(itemOf), after.map(itemOf)];
    const isAlone = head.length + tail.length === 0;
    // A node's engine writes no batches of its own, whose records would ask for one replica.
    if (this.#isReplica && !isAlone && isEmptyRange(range)) return;
    const ttl = this.#ttlOf(operation);
    const written = isAlone
      ? this.#engine.clear(bounds, { sync })
      : this.#engine.write(
          [
            ...head.map((item) => operationOf(item, ttl)),
            { type: 'clear', ...bounds },
            ...tail.map((item) => operationOf(item, ttl)),
          ],
          { sync },
        );
    const taken = this.#versions.take(head.length + 1 + tail.length);
    if (this.#isReplica) {
      await this.#simulation.settle(assert.rejects(written, { code: 'INVALID_ARGUMENT' }));
      return;
    }
    await this.#simulation.settle(written);
    const isEmpty = isEmptyRange(range);
    // Nothing is newer than a range that was deleted last, and what was written behind it.
    const newest = this.#engine.store.newestTimestamp;
    const first = isEmpty ? taken : newest - head.length - tail.length;
    if (!isEmpty) this.#versions.passed(newest);
    const expiryMs = this.#endAfter(operation.days ?? 0);
    const versionOf = ({ key, value }: Item, timestamp: number): [string, Version] => {
      const lifeEnd = value === null ? 0 : expiryMs;
      return [
        nameOfKey(key),
        { timestamp, writer: 0, value: value && latin1(value), expiryMs: lifeEnd, from: 1 },
      ];
    };
    const timestamp = first + head.length;
    const version = { timestamp, writer: 0, value: null, expiryMs: 0, from: 1, isCleared: true };
    const { start, end } = range;
    const names = Array.from({ length: KEYS }, (_, key) => nameOfKey(key)).filter(
      (name) => !isEmpty && name >= latin1(start) && (end === null || name < latin1(end)),
    );
    this.#model.write([
      ...head.map((item, i) => versionOf(item, first + i)),
      ...names.map((name): [string, Version] => [name, version]),
      ...tail.map((item, i) => versionOf(item, timestamp + 1 + i)),
    ]);
    // What deletes an empty range and nothing else is no write.
    if (sync && !(isAlone && isEmpty)) this.#model.noteDurable();
  }

  /** Many writes at once, so that memtables fill up and levels grow. */
  async #burst({ count, first, size }: { count: number; first: number; size: number }): Promise<void> {
    const calls: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const key = (first + i * 7) % KEYS;
      const bytes = Buffer.alloc(size, `${first}.${i}.`);
      calls.push(this.#write([{ key, value: bytes }]));
    }
    await this.#simulation.settle(Promise.all(calls));
  }

  async #writeVersions(items: readonly VersionItem[]): Promise<void> {
    const { puts, versions } = this.#versionsOf(items);
    if (puts.length === 0) return;
    const applied = this.#model.write(versions) > 0;
    const status = await this.#simulation.settle(this.#writeRecords(puts));
    assert.equal(status, applied ? 0 : 1, 'applied or stale');
  }

  /** Leaves out late versions of keys that may have been forgotten: nothing older may come, as the option says. */
  #versionsOf(
    items: readonly VersionItem[],
    writer = WRITER,
  ): {
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
        (this.#model.mayForget(nameOfKey(item.key), nowMs) || item.days > 0 || this.#expires(item.key))
      )
        continue;
      const tombstone = item.size < 0;
      const expiryMs = tombstone ? 0 : this.#endAfter(item.days);
      const value = tombstone ? new Uint8Array(0) : bytesOf(item);
      const from = this.#fromOf(item.key, timestamp);
      const fields = { timestamp, writer, from, expiryMs };
      puts.push({ key: keyOf(item.key), record: encodeRecord({ ...fields, tombstone }, value) });
      versions.push([nameOfKey(item.key), { ...fields, value: tombstone ? null : latin1(value) }]);
    }
    return { puts, versions };
  }

  /** Records that go below all others, while others of the same keys are put: each key has its newest version in the end. */
  async #ingest({ meanwhile, runs }: Operation & { type: 'ingest' }): Promise<void> {
    const { store } = this.#engine;
    // What is written at once is of several writers: two values never have one version.
    const taken = runs.map((items, run) => this.#versionsOf(items, WRITER + 1 + run));
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
    const firstOther = WRITER + 1 + runs.length;
    const others = meanwhile.map((item, i) => this.#versionsOf([item], firstOther + i));
    for (const { versions } of others) this.#model.write(versions);
    const written = others.map(({ puts }) => (puts.length === 0 ? 0 : this.#writeRecords(puts)));
    const left = await this.#simulation.settle(ingesting);
    await this.#simulation.settle(Promise.all(written));
    const rest = left === null ? taken.flatMap(({ puts }) => puts) : entriesOf(left);
    for (const put of rest) await this.#simulation.settle(this.#writeRecords([put]));
    if (this.#simulation.options.durability === 'sync') return;
    // What was taken is durable, whatever becomes of writes that were before it.
    await this.#simulation.settle(this.#engine.flush());
    this.#model.noteDurable();
  }

  #writeRecords(puts: readonly KeyedRecord[], isSynced = false): Promise<number> {
    return new Promise((resolve, reject) => {
      const onWrite = (_token: number, code: number, _time: number, _writer: number, error: Error | null) =>
        error === null ? resolve(code) : reject(error);
      this.#engine.store.writeBatch(puts, { onWrite }, 0, isSynced);
    });
  }

  /** As it changes from write to write, so must what counts for whom. */
  #fromOf(key: number, timestamp: number): number {
    return !this.#isReplica ? 1 : 1 + ((key + timestamp) % MAX_FROM);
  }

  #expires(key: number): boolean {
    return (this.#model.entries.get(nameOfKey(key))?.expiryMs ?? 0) > 0;
  }
}

function itemOf({
  key,
  ...value
}: {
  readonly key: number;
  readonly size: number;
  readonly fill: number;
}): Item {
  return { key, value: value.size < 0 ? null : bytesOf(value) };
}

function operationOf({ key, value }: Item, ttl: { readonly ttlMs?: number }): KeyOperation {
  return value === null
    ? { type: 'delete', key: keyOf(key) }
    : { type: 'put', key: keyOf(key), value, ...ttl };
}

function recordsOf(items: readonly Item[], versions: readonly (readonly [string, Version])[]): KeyedRecord[] {
  return items.map(({ key, value }, index) => {
    const fields = { ...versions[index][1], tombstone: value === null };
    return { key: keyOf(key), record: encodeRecord(fields, value ?? NOTHING) };
  });
}

function bytesOf({ size, fill }: { size: number; fill: number }): Buffer {
  return Buffer.alloc(size, fill);
}

function startOfDay(ms: number): number {
  return ms - (ms % DAY_MS);
}
