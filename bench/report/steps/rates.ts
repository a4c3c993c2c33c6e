/** What a replication holds: under far more than it can do, and the highest rate that holds. */
import { type LoadFigures, LoadSession, type RateSearch } from '../load-session.ts';
import { METHODS, type Method, REPLICATIONS, type Replication, type Scale } from '../scale.ts';
import type { Step } from '../step.ts';

/** Of a search at a typical place: as many probes as it takes to double, halve and confirm. */
const PROBES = 8;
const SESSION_SECONDS = 3;
/** Of a probe beyond what a cluster can do, which has more to wait for. */
const BACKLOG_SHARE = 0.25;

export interface RateResult extends RateSearch {
  readonly overload: LoadFigures;
}

export function rateStepName(method: Method, replication: Replication): string {
  return `${method}-rate-${replication}`;
}

export function rateSteps(scale: Scale): Step[] {
  return METHODS.flatMap((method) => REPLICATIONS.map((replication) => rateStep(scale, method, replication)));
}

function rateStep(scale: Scale, method: Method, replication: Replication): Step {
  const { overloadPerSecond, overloadSeconds, probeSeconds, probeWarmUpSeconds, warmUpSeconds } = scale;
  return {
    name: rateStepName(method, replication),
    title: `${method.toUpperCase()}, ${replication}: ${overloadPerSecond}/s offered, highest rate that holds`,
    // What was due when the time is over is waited for, too.
    budgetSeconds:
      SESSION_SECONDS +
      warmUpSeconds +
      overloadSeconds * 1.7 +
      PROBES * (probeSeconds * (1 + BACKLOG_SHARE) + probeWarmUpSeconds),
    needs: ['fill'],
    run: async (context): Promise<RateResult> => {
      await using session = await LoadSession.start(context, replication, method);
      // Before the flood, so that it meets a node that is warm.
      // A machine that was busy for a moment may end the search with nothing.
      const first = await session.findRate(scale);
      const search = first.found === null ? await session.findRate(scale) : first;
      const overload = await session.load({
        ratePerSecond: overloadPerSecond,
        seconds: overloadSeconds,
        warmUpSeconds,
      });
      return { overload, ...search };
    },
  };
}
