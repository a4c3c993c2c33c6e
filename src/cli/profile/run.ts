/** The runs of a profile: the same load without any profile, with each kind, and without again. */
import {
  type NodeProfile,
  PROFILE_DURATION_MS,
  type ProfileKind,
  type ProfileRequest,
} from '../../node-profile.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import type { LoadPlan } from '../load/plan.ts';
import type { LoadRun } from '../load/run.ts';
import { type BegunProfile, beginProfile } from './node-client.ts';
import type { MeasuredRun } from './summary.ts';

/** A load that hangs at its end must not outlast the profile: see `load`, which waits 10 s for its last answers. */
const SPARE_MS = 15_000;
/** The longest load that a node can be profiled for. */
export const LONGEST_LOAD_MS = PROFILE_DURATION_MS.most - SPARE_MS;

interface RunOptions {
  readonly plan: LoadPlan;
  /** The nodes to profile: `http://127.0.0.1:19234`. */
  readonly origins: readonly string[];
  readonly kinds: readonly ProfileKind[];
  readonly intervals: Pick<ProfileRequest, 'cpuIntervalMs' | 'heapIntervalBytes'>;
  /** Told before each run. */
  readonly onRun: (kind: ProfileKind | null, number: number, count: number) => void;
}

/** @returns what was run until a signal, if there was one, ended it */
export async function runAll(run: LoadRun, options: RunOptions): Promise<MeasuredRun[]> {
  const { durationMs, warmUpMs } = options.plan;
  if (warmUpMs > 0) await run.load({ ...options.plan, warmUpMs: 0, durationMs: warmUpMs });
  const runs: MeasuredRun[] = [];
  // Half of what is compared with lies before the others and half behind them: a cluster changes while it runs.
  const half = Math.ceil(durationMs / 2);
  const todo: (readonly [ProfileKind | null, number])[] = [
    [null, half],
    ...options.kinds.map((kind) => [kind, durationMs] as const),
    [null, half],
  ];
  for (const [index, [kind, lastsMs]] of todo.entries()) {
    if (run.interruptedBy !== null) break;
    options.onRun(kind, index + 1, todo.length);
    runs.push(await measure(run, options, kind, lastsMs));
  }
  return runs;
}

async function measure(
  run: LoadRun,
  { intervals, origins, plan }: RunOptions,
  kind: ProfileKind | null,
  durationMs: number,
): Promise<MeasuredRun> {
  const request = {
    ...intervals,
    kinds: kind === null ? [] : [kind],
    durationMs: durationMs + SPARE_MS,
  };
  const begun: BegunProfile[] = [];
  try {
    const beginnings = origins.map(async (origin, index) => {
      begun[index] = await beginProfile(origin, request);
    });
    const failed = (await Promise.allSettled(beginnings)).find(({ status }) => status === 'rejected');
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    const load = await run.load({ ...plan, warmUpMs: 0, durationMs });
    await Promise.all(begun.map((profile) => profile.end()));
    const profiles = await Promise.all(begun.map(({ profile }) => profile));
    refuseSameNames(profiles, origins);
    return { kind, load, profiles };
  } catch (error) {
    await Promise.allSettled(begun.map((profile) => profile?.end()));
    throw error;
  }
}

/** Nodes of two clusters may have the same name, and one's files would take the place of the other's. */
function refuseSameNames(profiles: readonly NodeProfile[], origins: readonly string[]): void {
  for (const [index, { node }] of profiles.entries()) {
    const first = profiles.findIndex((profile) => profile.node === node);
    if (first < index)
      throw new CommandError(
        ExitCode.error,
        `the nodes at ${origins[first]} and ${origins[index]} are both ${node}: profile the nodes of one cluster at a time`,
      );
  }
}
