/**
 * What the figures of a run share: its flags, its folder, and the two clusters, which start when they are first needed.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchCluster, type BenchClusterOptions } from '../support/bench-cluster.ts';
import { type FilledData, prepareData } from './data.ts';

export const NODES = 3;
export const VALUE_BYTES = 1024;
export const HOT_KEYS = 100_000;

export interface RunSettings {
  /** Small data and short runs, to try the harness; the figures mean nothing. */
  readonly isQuick: boolean;
  /** The duration of each run of a load. */
  readonly seconds: number;
  /** The number of pairs of runs. */
  readonly rounds: number;
  /** How long reads run before they are timed. */
  readonly warmUpSeconds: number;
  /** The duration of the long overwrites. */
  readonly minutes: number;
  readonly sizeBytes: number;
  /** Kept after the run; undefined: a temporary folder, removed at the end. */
  readonly dataDirectory: string | undefined;
}

export class BenchContext implements AsyncDisposable {
  readonly settings: RunSettings;
  readonly directory: string;
  readonly #startedMs = performance.now();
  /** All clusters, including those that are still starting. */
  readonly #clusters = new Map<string, Promise<BenchCluster>>();
  /** Resources of figures that are running. */
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

  /** The folder of the filled cluster. */
  get filledDirectory(): string {
    return join(this.directory, 'filled');
  }

  /** The filled and overwritten data. */
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

  /** The N of key1 … keyN over which most figures are taken; for a small fill, a tenth of it. */
  async hotKeys(): Promise<number> {
    const { keys } = await this.data();
    return Math.min(HOT_KEYS, Math.ceil(keys / 10));
  }

  /** The product over the prepared data; it is started again if it was stopped. */
  async lsm(): Promise<BenchCluster> {
    await this.data();
    if (this.#clusters.has('lsm-on-main')) await this.stopClusters();
    return await this.#cluster('lsm', { nodes: NODES, directory: this.filledDirectory, engine: ['lsm'] });
  }

  /** Stops the product's nodes and starts them again; everything else goes on. */
  async restartLsm(): Promise<void> {
    await (await this.#clusters.get('lsm'))?.[Symbol.asyncDispose]();
    this.#clusters.delete('lsm');
    await this.lsm();
  }

  /**
   * Another cluster over the prepared data. Only one can have the data, so those that run are stopped.
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
    // This is left from an earlier run, whose Map is gone.
    if (!this.#clusters.has('map')) rmSync(directory, { recursive: true, force: true });
    return await this.#cluster('map', { nodes: NODES, directory, engine });
  }

  /** Has something disposed of if the run is interrupted. */
  adopt<Resource extends AsyncDisposable>(resource: Resource): Resource {
    this.#adopted.add(resource);
    return resource;
  }

  /** For figures that need the data or the machine alone. */
  async stopClusters(): Promise<void> {
    for (const starting of this.#clusters.values()) {
      // A cluster that failed to start has stopped its nodes itself.
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
