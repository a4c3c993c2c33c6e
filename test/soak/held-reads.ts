/**
 * Snapshots and ranges that stay open for long while an engine is written to. A snapshot shows the same all the time,
 * until it is given up with an error; a slow scan shows whole values in order.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { compareBytes, type Engine, LsmError, type Snapshot } from '../../native-free-lsm/index.ts';
import { type Random, seededRandom } from '../../src/clock.ts';
import { engineKey, keyNumberOf } from '../support/engine-traffic.ts';
import { counterOf } from '../support/own-value.ts';

const SAMPLED_KEYS = 40;

export interface HeldCounts {
  snapshots: number;
  /** How many were given up because their memory was needed. */
  expired: number;
  scans: number;
  entries: number;
}

export interface HeldOptions {
  readonly seed: number;
  readonly keys: number;
  /** How long a snapshot or a scan is held at most. */
  readonly holdMs: number;
}

export class HeldReads {
  readonly counts: HeldCounts;
  readonly #engine: Engine;
  readonly #options: HeldOptions;
  readonly #random: Random;
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;

  /**
   * Starts at once.
   * @param counts are counted up
   */
  constructor(engine: Engine, options: HeldOptions, counts: HeldCounts) {
    this.#engine = engine;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.counts = counts;
    this.#done = Promise.all([
      this.#again(() => this.#holdSnapshot()),
      this.#again(() => this.#scanSlowly(false)),
      this.#again(() => this.#scanSlowly(true)),
    ]);
    this.#done.catch(() => this.#stop.abort());
  }

  /**
   * Releases everything.
   * @throws Error about what was seen that must not be
   */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #again(hold: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await hold();
      } catch (error) {
        const code = error instanceof LsmError ? error.code : '';
        if (code === 'SNAPSHOT_EXPIRED') this.counts.expired++;
        else if (code !== 'OVERLOADED') throw error;
      }
      await this.#pause(10);
    }
  }

  async #holdSnapshot(): Promise<void> {
    using snapshot = this.#engine.snapshot();
    this.counts.snapshots++;
    const keys = Array.from({ length: SAMPLED_KEYS }, () => Math.floor(this.#random() * this.#options.keys));
    const before = await this.#readAll(keys, snapshot);
    const end = performance.now() + this.#options.holdMs * this.#random();
    while (performance.now() < end && !this.#stop.signal.aborted) {
      await this.#pause(100);
      assert.deepEqual(await this.#readAll(keys, snapshot), before, 'a snapshot shows what it showed before');
    }
  }

  async #readAll(keys: readonly number[], snapshot: Snapshot): Promise<(number | undefined)[]> {
    const shown: (number | undefined)[] = [];
    for (const key of keys) {
      const value = await this.#engine.get(engineKey(key), snapshot);
      shown.push(value === undefined ? undefined : counterOf(key, value));
    }
    return shown;
  }

  /** All keys, page by page, with pauses that stretch it over the whole time. */
  async #scanSlowly(ofOneMoment: boolean): Promise<void> {
    using snapshot = ofOneMoment ? this.#engine.snapshot() : undefined;
    let previous: Uint8Array | undefined;
    let entries = 0;
    for await (const { key, value } of this.#engine.range(snapshot === undefined ? {} : { snapshot })) {
      if (previous !== undefined)
        assert.ok(compareBytes(previous, 0, previous.length, key, 0, key.length) < 0);
      previous = key;
      counterOf(keyNumberOf(key), value);
      this.counts.entries++;
      if (++entries % 100 === 0) await this.#pause((this.#options.holdMs * 100) / this.#options.keys);
      if (this.#stop.signal.aborted) return;
    }
    this.counts.scans++;
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
