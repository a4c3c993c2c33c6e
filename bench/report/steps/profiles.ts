/** Where time and memory go: a profile of each replication, on the same data, at the same rate. */

import { join } from 'node:path';
import {
  type NodeSummary,
  type ProfileSummary,
  SUMMARY_FILE,
} from '../../../src/cli/profile/profile-folder.ts';
import { readFolder } from '../../../src/cli/profile/read-folder.ts';
import { cpuTreeOf } from '../../../src/cli/profile/view/cpu-tree.ts';
import { LoadSession, milliseconds } from '../load-session.ts';
import { partsOf } from '../profile-parts.ts';
import { METHODS, type Method, type Replication, type Scale } from '../scale.ts';
import { NODES } from '../served-cluster.ts';
import type { Step, StepContext } from '../step.ts';
import { type ProfileResult, profileStepName } from './profile-result.ts';
import { rateStepName } from './rates.ts';
import { foundRate } from './turns.ts';

/** Starting, stopping, and writing the files. */
const OVERHEAD_SECONDS = 3;
const KINDS = 3;
/** Of the rate that the predecessor holds: what records needs CPU time, too. */
const RATE_SHARE = 0.5;

export function profileSteps(scale: Scale): Step[] {
  return METHODS.flatMap((method) =>
    scale.profiled.map((replication) => ({
      name: profileStepName(method, replication),
      title: `${method.toUpperCase()}, ${replication}: CPU, allocations and waits of every thread`,
      budgetSeconds: (KINDS + 1) * scale.profileSeconds + scale.warmUpSeconds + OVERHEAD_SECONDS,
      needs: ['fill', rateStepName(method, 'sequential')],
      run: async (context: StepContext) => await profile(context, method, replication),
    })),
  );
}

async function profile(
  context: StepContext,
  method: Method,
  replication: Replication,
): Promise<ProfileResult> {
  const { data, folder, program, scale } = context;
  const predecessors = foundRate(context, method, 'sequential');
  if (predecessors === undefined) throw new Error('sequential replication held no rate');
  await data.ensureFilled(program, scale);
  if (method === 'put') data.noteWrites();
  else if (!data.has404s) {
    // It makes them, and ends.
    await using _session = await LoadSession.start(context, replication, method);
  }
  program.call(folder, 'PROFILE');
  const summary = (await program.runForFile(
    [
      'cli.ts',
      'profile',
      '--nodes',
      String(NODES),
      '--data',
      data.path,
      '--replication',
      replication,
      '--method',
      method,
      '--keys',
      String(scale.keys),
      '--seed',
      String(scale.seed),
      '--rate',
      String(Math.ceil(predecessors * RATE_SHARE)),
      '--duration',
      milliseconds(scale.profileSeconds),
      '--warmup',
      milliseconds(scale.warmUpSeconds),
      '--out',
      folder,
    ],
    join(folder, SUMMARY_FILE),
  )) as ProfileSummary;
  const { nodes } = await readFolder(folder);
  return {
    figures: { ...usageOf(summary.nodes), ...partsOf(cpuTreeOf(nodes)), ...overheadOf(summary) },
    waits: summary.nodes.flatMap(({ name, waits }) =>
      (waits ?? []).flatMap(({ thread, waits: places }) =>
        places
          .filter(({ isIdle }) => !isIdle)
          .map(({ count, path, totalMs }) => ({
            place: [name, thread, ...path].join(' › '),
            totalShare: totalMs / (scale.profileSeconds * 1_000),
            perSecond: count / scale.profileSeconds,
            meanMs: count === 0 ? 0 : totalMs / count,
          })),
      ),
    ),
    faults: [...new Set(summary.runs.flatMap(({ faults }) => faults))],
    files: [SUMMARY_FILE, ...summary.files],
  };
}

/** Of all nodes, a request. */
function usageOf(nodes: readonly NodeSummary[]): Record<string, number> {
  const sum = (of: (node: NodeSummary) => number): number =>
    nodes.reduce((total, node) => total + of(node), 0);
  const requests = nodes[0]?.requests ?? 0;
  const userMicros = sum((node) => node.userMicrosPerRequest);
  const systemMicros = sum((node) => node.systemMicrosPerRequest);
  const switches = sum((node) => node.voluntarySwitches + node.involuntarySwitches);
  return {
    cpuMicros: userMicros + systemMicros,
    kernelShare: systemMicros / (userMicros + systemMicros),
    allocatedBytes: sum((node) => node.allocatedBytesPerRequest),
    contextSwitches: requests === 0 ? 0 : switches / requests,
    threads: sum((node) => node.osThreads ?? 0),
  };
}

/** What recording costs: `cpuOverheadShare` is how much more CPU time a request took meanwhile. */
function overheadOf({ overhead }: ProfileSummary): Record<string, number> {
  return Object.fromEntries(overhead.map(({ kind, ratio }) => [`${kind}OverheadShare`, ratio - 1]));
}
