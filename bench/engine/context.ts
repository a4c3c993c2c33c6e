/** What figures share in a run: its flags, its folder, and the two clusters, started when first asked for. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchCluster, type BenchClusterOptions } from '../support/bench-cluster.ts';
import { type FilledData, prepareData } from './data.ts';

export const NODES = 3;
export const VALUE_BYTES = 1024;

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
  readonly #clusters = new Map<string, BenchCluster>();
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

  /** The product over the prepared data; started again if need be. */
  async lsm(): Promise<BenchCluster> {
    await this.data();
    if (this.#clusters.has('lsm-on-main')) await this.stopClusters();
    return await this.#cluster('lsm', { nodes: NODES, directory: this.filledDirectory, engine: ['lsm'] });
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

  /** For figures that need the data or the machine for themselves. */
  async stopClusters(): Promise<void> {
    for (const cluster of this.#clusters.values()) await cluster[Symbol.asyncDispose]();
    this.#clusters.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopClusters();
    if (this.settings.dataDirectory === undefined) rmSync(this.directory, { recursive: true, force: true });
  }

  async #cluster(name: string, options: BenchClusterOptions): Promise<BenchCluster> {
    const running = this.#clusters.get(name);
    if (running !== undefined) return running;
    this.progress(`starting ${options.nodes} nodes over ${name}`);
    const cluster = await BenchCluster.start(options);
    this.#clusters.set(name, cluster);
    await cluster.settled();
    return cluster;
  }
}
