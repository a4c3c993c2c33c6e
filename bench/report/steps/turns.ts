/**
 * The replications in turns: what a table takes medians of. A turn asks each of them the same, on nodes that are started
 * anew, so that a busy minute of the machine falls on all; each turn begins with another.
 */
import { type LoadFigures, LoadSession } from '../load-session.ts';
import { METHODS, type Method, REPLICATIONS, type Replication, type Scale } from '../scale.ts';
import type { Step, StepContext } from '../step.ts';
import { type RateResult, rateStepName } from './rates.ts';

/** Starting a cluster, stopping it, and starting a load three times. */
const OVERHEAD_SECONDS = 5;

export interface ReplicationTurn {
  /** A closed loop: as fast as it answers. */
  readonly closed: LoadFigures;
  /** At the highest rate that it holds itself. */
  readonly stable: LoadFigures;
  /** At the highest rate that the predecessor, which asks one replica after the other, holds. */
  readonly predecessors: LoadFigures;
}

/** Without replications for which no rate was found. */
export type TurnResult = Readonly<Partial<Record<Replication, ReplicationTurn>>>;

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
  if (predecessors === undefined) throw new Error('sequential replication held no rate');
  const { runSeconds: seconds, warmUpSeconds } = context.scale;
  const result: Partial<Record<Replication, ReplicationTurn>> = {};
  for (const [place] of REPLICATIONS.entries()) {
    const replication = REPLICATIONS[(place + index) % REPLICATIONS.length];
    const own = foundRate(context, method, replication);
    if (own === undefined) continue;
    await using session = await LoadSession.start(context, replication, method);
    const closed = await session.load({ seconds, warmUpSeconds });
    const stable = await session.load({ ratePerSecond: own, seconds, warmUpSeconds });
    const atPredecessors =
      own === predecessors
        ? stable
        : await session.load({ ratePerSecond: predecessors, seconds, warmUpSeconds });
    result[replication] = { closed, stable, predecessors: atPredecessors };
  }
  return result;
}
