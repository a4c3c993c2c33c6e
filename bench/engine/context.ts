/** What figures share in a run: its flags, its folder, and the two clusters, started when first asked for. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchCluster, type BenchClusterOptions } from '../support/bench-cluster.ts';
import { type FilledData, prepareData } from './data.ts';

export const NODES = 3;
export const VALUE_BYTES = 1024;
export const HOT_KEYS = 100_000;

export interface RunSettings {
  /** Small data and short runs: for trying the harness, not for figures. */
  readonly isQuick: boolean;
  /** Of each run of a load. */
  readonly seconds: number;
  /** Pairs of runs. */
  readonly rounds: number;
  /** Before reads are timed. */
  readonly warmUpSeconds: number;
  /** Of the long overwrites. */
  readonly minutes: number;
  readonly sizeBytes: number;
  /** Kept after the run; undefined: a folder of its own that goes with it. */
  readonly dataDirectory: string | undefined;
}

export class BenchContext implements AsyncDisposable {
  readonly settings: RunSettings;
  readonly directory: string;
  readonly #startedMs = performance.now();
  /** Also those that are still starting. */
  readonly #clusters = new Map<string, Promise<BenchCluster>>();
  /** Of figures that are under way. */
  readonly #adopted = new Set<AsyncDisposable>();
  #data: FilledData | undefined;

  constructor(settings: RunSettings) {
    this.settings = settings;
    this.directory = settings.dataDirectory ?? mkdtempSync(join(tmpdir(), 'quorate-bench-'));
    mkdirSync(this.directory, { recursive: true });
  }

  readonly progress = (line: string): void => {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(0);
    console.error(`[${seconds.padStart(5)} s] ${line}`);
  };

  /** Where the filled cluster lives. */
  get filledDirectory(): string {
    return join(this.directory, 'filled');
  }

  /** Filled and overwritten. */
  async data(): Promise<FilledData> {
    this.#data ??= await prepareData(
      {
        directory: this.filledDirectory,
        nodes: NODES,
        sizeBytes: this.settings.sizeBytes,
        valueBytes: VALUE_BYTES,
        isOverwritten: true,
      },
      this.progress,
    );
    return this.#data;
  }

  /** N of key1 … keyN, over which most figures are taken: a tenth of a small fill. */
  async hotKeys(): Promise<number> {
    const { keys } = await this.data();
    return Math.min(HOT_KEYS, Math.ceil(keys / 10));
  }

  /** The product over the prepared data; started again if need be. */
  async lsm(): Promise<BenchCluster> {
    await this.data();
    if (this.#clusters.has('lsm-on-main')) await this.stopClusters();
    return await this.#cluster('lsm', { nodes: NODES, directory: this.filledDirectory, engine: ['lsm'] });
  }

  /** The product's nodes stop and come back; whatever else runs goes on. */
  async restartLsm(): Promise<void> {
    await (await this.#clusters.get('lsm'))?.[Symbol.asyncDispose]();
    this.#clusters.delete('lsm');
    await this.lsm();
  }

  /**
   * Another cluster over the prepared data, which no two can have at a time: those that run are stopped.
   * @param engine arguments of node-entry.ts
   */
  async only(...engine: readonly string[]): Promise<BenchCluster> {
    await this.data();
    await this.stopClusters();
    return await this.#cluster(engine.join(' '), { nodes: NODES, directory: this.filledDirectory, engine });
  }

  /** The same cluster over a Map that holds the same keys. */
  async map(): Promise<BenchCluster> {
    const { keys } = await this.data();
    const engine = ['map', String(keys), String(VALUE_BYTES)];
    const directory = join(this.directory, 'map');
    // What an earlier run left: its Map is gone.
    if (!this.#clusters.has('map')) rmSync(directory, { recursive: true, force: true });
    return await this.#cluster('map', { nodes: NODES, directory, engine });
  }

  /** Has something disposed of should the run be interrupted. */
  adopt<Resource extends AsyncDisposable>(resource: Resource): Resource {
    this.#adopted.add(resource);
    return resource;
  }

  /** For figures that need the data or the machine for themselves. */
  async stopClusters(): Promise<void> {
    for (const starting of this.#clusters.values()) {
      // One that did not start has stopped what did.
      const cluster = await starting.catch(() => undefined);
      await cluster?.[Symbol.asyncDispose]();
    }
    this.#clusters.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopClusters();
    for (const resource of this.#adopted) await resource[Symbol.asyncDispose]();
    if (this.settings.dataDirectory === undefined) rmSync(this.directory, { recursive: true, force: true });
  }

  async #cluster(name: string, options: BenchClusterOptions): Promise<BenchCluster> {
    let starting = this.#clusters.get(name);
    if (starting === undefined) {
      this.progress(`starting ${options.nodes} nodes over ${name}`);
      starting = BenchCluster.start(options);
      this.#clusters.set(name, starting);
      starting.catch(() => this.#clusters.delete(name));
    }
    const cluster = await starting;
    await cluster.settled();
    return cluster;
  }
}
