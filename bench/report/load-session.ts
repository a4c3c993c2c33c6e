/** A cluster of one replication, on filled data, that is asked by `node cli.ts load`. */
import { availableParallelism } from 'node:os';
import type { LoadFile } from '../../src/cli/load/json-report.ts';
import type { SpectrumPoint } from '../../src/cli/load/spectrum.ts';
import type { Method, Replication, Scale } from './scale.ts';
import { ServedCluster } from './served-cluster.ts';
import type { StepContext } from './step.ts';

/** What is kept of a load. */
export interface LoadFigures {
  /** 0: a closed loop. */
  readonly offeredPerSecond: number;
  readonly requestsPerSecond: number;
  readonly achievedShare: number;
  readonly requests: number;
  readonly errors: number;
  readonly notFoundShare: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Of all nodes with all their threads, a request; null where the system does not tell. */
  readonly cpuMicros: number | null;
  /** The part of the machine's cores that the nodes had. */
  readonly nodesCpuShare: number | null;
  /** The part of the time in which the busiest thread of the load had work. */
  readonly loadBusyShare: number;
  /** Why the figures may be those of the load itself; empty when they are not. */
  readonly faults: readonly string[];
  readonly spectrum: readonly SpectrumPoint[];
}

export interface LoadOptions {
  /** Left out: a closed loop. */
  readonly ratePerSecond?: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Instead of those of the scale. */
  readonly keys?: number;
}

export class LoadSession implements AsyncDisposable {
  readonly cluster: ServedCluster;
  readonly #context: StepContext;
  readonly #method: Method;

  private constructor(context: StepContext, cluster: ServedCluster, method: Method) {
    this.#context = context;
    this.cluster = cluster;
    this.#method = method;
  }

  /** Resolves once what reads are to find, and not to find, is there. */
  static async start(context: StepContext, replication: Replication, method: Method): Promise<LoadSession> {
    const { data, program, scale } = context;
    await data.ensureFilled(program, scale);
    const cluster = await ServedCluster.start(program, data.path, ['--replication', replication]);
    try {
      if (method === 'put') data.noteWrites();
      else if (!data.has404s) {
        await makeSome404(context, cluster);
        data.note404s();
      }
      await cluster.settled();
      return new LoadSession(context, cluster, method);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  async load(options: LoadOptions): Promise<LoadFigures> {
    const { ratePerSecond, seconds, warmUpSeconds, keys } = options;
    const before = this.cluster.cpuSeconds();
    const file = (await this.#context.program.runForJson([
      ...this.#arguments(keys),
      ...(ratePerSecond === undefined ? [] : ['--rate', String(ratePerSecond)]),
      '--duration',
      milliseconds(seconds),
      '--warmup',
      milliseconds(warmUpSeconds),
    ])) as LoadFile;
    const after = this.cluster.cpuSeconds();
    const cpuSeconds = before === undefined || after === undefined ? undefined : after - before;
    return loadFiguresOf(file, { cpuSeconds, seconds, warmUpSeconds, cores: availableParallelism() });
  }

  async findRate(scale: Scale): Promise<RateSearch> {
    const file = (await this.#context.program.runForJson([
      ...this.#arguments(undefined),
      '--find-rate',
      '--rate',
      String(scale.firstRate),
      '--duration',
      milliseconds(scale.probeSeconds),
      '--warmup',
      milliseconds(scale.probeWarmUpSeconds),
    ])) as SearchFile;
    const probes = file.probes.map(({ load, ...probe }) => ({ ...probe, p99Ms: load.latencies.all.p99Ms }));
    const best = file.probes.findLast(({ holds }) => holds);
    if (file.ratePerSecond === 0 || best === undefined) return { found: null, probes };
    const { p50Ms, p99Ms } = best.load.latencies.all;
    return { found: { ratePerSecond: file.ratePerSecond, p50Ms, p99Ms }, probes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }

  #arguments(keys: number | undefined): string[] {
    const { scale } = this.#context;
    return loadArguments(this.cluster, this.#method, keys ?? scale.keys, scale.seed);
  }
}

export interface FoundRate {
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface RateSearch {
  /** null: no rate held. */
  readonly found: FoundRate | null;
  /** All that were tried, for whoever wonders why. */
  readonly probes: readonly (ProbeHead & { readonly p99Ms: number })[];
}

interface ProbeHead {
  readonly ratePerSecond: number;
  readonly isConfirming: boolean;
  readonly holds: boolean;
  readonly why: string;
}

/** As `load --find-rate --json` writes it. */
interface SearchFile {
  readonly ratePerSecond: number;
  readonly probes: readonly (ProbeHead & { readonly load: LoadFile })[];
}

/** What `load` is told, for `profile` too. */
export function loadArguments(
  { url }: { url: string },
  method: string,
  keys: number,
  seed: number,
): string[] {
  return ['cli.ts', 'load', '--url', url, '--method', method, '--keys', String(keys), '--seed', String(seed)];
}

export function milliseconds(seconds: number): string {
  return `${Math.round(seconds * 1_000)}ms`;
}

/** All keys get a small value, then the first of them are deleted, each once: at a fixed rate, in their order. */
async function makeSome404({ program, scale }: StepContext, cluster: ServedCluster): Promise<void> {
  const { deletedKeys, deletesPerSecond, keys, seed } = scale;
  // That such a load says nothing about latencies does not matter.
  await program.runForJson([
    ...loadArguments(cluster, 'get', keys, seed),
    '--prepare',
    '--duration',
    '100ms',
    '--warmup',
    '0ms',
  ]);
  const { errors } = (await program.runForJson([
    ...loadArguments(cluster, 'delete', deletedKeys, seed),
    '--key-choice',
    'sequential',
    '--rate',
    String(deletesPerSecond),
    '--duration',
    milliseconds(deletedKeys / deletesPerSecond),
    '--warmup',
    '0ms',
  ])) as LoadFile;
  if (errors > 0) throw new Error(`${errors} of ${deletedKeys} keys could not be deleted`);
}

interface Taken {
  /** Of all nodes, warm-up included. */
  readonly cpuSeconds: number | undefined;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly cores: number;
}

export function loadFiguresOf(
  file: LoadFile,
  { cores, cpuSeconds, seconds, warmUpSeconds }: Taken,
): LoadFigures {
  const { p50Ms, p90Ms, p99Ms, p999Ms, maxMs } = file.latencies.all;
  const wholeSeconds = seconds + warmUpSeconds;
  // As many came a second in the warm-up.
  const requests = file.requests * (wholeSeconds / seconds);
  const isKnown = cpuSeconds !== undefined && requests > 0;
  return {
    offeredPerSecond: file.plan.ratePerSecond,
    requestsPerSecond: file.requestsPerSecond,
    achievedShare: file.achievedShare,
    requests: file.requests,
    errors: file.errors,
    notFoundShare: file.requests === 0 ? 0 : (file.statuses['404'] ?? 0) / file.requests,
    p50Ms,
    p90Ms,
    p99Ms,
    p999Ms,
    maxMs,
    cpuMicros: isKnown ? (cpuSeconds / requests) * 1e6 : null,
    nodesCpuShare: isKnown ? cpuSeconds / (wholeSeconds * cores) : null,
    loadBusyShare: file.generator.busyShare,
    faults: file.faults,
    spectrum: file.spectrum,
  };
}
