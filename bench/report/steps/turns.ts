/**
 * The replications in turns: what a table takes medians of. A turn asks each of them the same, on nodes that are started
 * anew, so that a busy minute of the machine falls on all; each turn begins with another.
 */
import { type LoadFigures, LoadSession } from '../load-session.ts';
import { METHODS, type Method, REPLICATIONS, type Replication, type Scale } from '../scale.ts';
import type { Step, StepContext } from '../step.ts';
import { type RateResult, rateStepName } from './rates.ts';

/** Starting a cluster, stopping it, and starting a load three times. */
const OVERHEAD_SECONDS = 3;

export interface ReplicationTurn {
  /** A closed loop: as fast as it answers. */
  readonly closed: LoadFigures;
  /** At the highest rate that it holds itself; null where none was found. */
  readonly stable: LoadFigures | null;
  /** At the highest rate that the predecessor, which asks one replica after the other, holds; null where none was found. */
  readonly predecessors: LoadFigures | null;
}

export type TurnResult = Readonly<Record<Replication, ReplicationTurn>>;

export function turnStepName(method: Method, turn: number): string {
  return `${method}-turn-${turn}`;
}

/** @returns the steps of the first turns, then those of the next */
export function turnSteps(scale: Scale, method: Method): Step[] {
  const { rounds, runSeconds, warmUpSeconds } = scale;
  return Array.from({ length: rounds }, (_, index) => ({
    name: turnStepName(method, index + 1),
    title: `${method.toUpperCase()}, turn ${index + 1} of ${rounds}: closed loop, own rate, predecessor's rate`,
    budgetSeconds: REPLICATIONS.length * (3 * (runSeconds + warmUpSeconds) + OVERHEAD_SECONDS),
    // The rates of the others are used as far as they are there.
    needs: [rateStepName(method, 'sequential')],
    run: async (context: StepContext): Promise<TurnResult> => await turn(context, method, index),
  }));
}

export function allTurnSteps(scale: Scale): Step[] {
  return METHODS.flatMap((method) => turnSteps(scale, method));
}

/** The highest rate that was found; undefined: none was. */
export function foundRate(
  context: StepContext,
  method: Method,
  replication: Replication,
): number | undefined {
  return context.resultOf<RateResult>(rateStepName(method, replication))?.found?.ratePerSecond;
}

async function turn(context: StepContext, method: Method, index: number): Promise<TurnResult> {
  const predecessors = foundRate(context, method, 'sequential');
  const { runSeconds: seconds, warmUpSeconds } = context.scale;
  const turns = new Map<Replication, ReplicationTurn>();
  for (const place of REPLICATIONS.keys()) {
    const replication = REPLICATIONS[(place + index) % REPLICATIONS.length];
    const own = foundRate(context, method, replication);
    await using session = await LoadSession.start(context, replication, method);
    const at = async (ratePerSecond: number | undefined): Promise<LoadFigures | null> =>
      ratePerSecond === undefined ? null : await session.load({ ratePerSecond, seconds, warmUpSeconds });
    const closed = await session.load({ seconds, warmUpSeconds });
    const stable = await at(own);
    turns.set(replication, {
      closed,
      stable,
      predecessors: own === predecessors ? stable : await at(predecessors),
    });
  }
  return Object.fromEntries(turns) as unknown as TurnResult;
}
