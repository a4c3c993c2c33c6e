/** The engine's threads in line, over a disk that may be slow: what they do is done later then. */
import type { EngineClock, ExecutorContext } from '../../../native-free-lsm/index.ts';
import { InlineExecutor } from '../../../native-free-lsm/simulation/index.ts';

interface DiskSpeed {
  /** How long each turn of the engine's threads takes now. */
  readonly delayMs: number;
}

export function executorOver(speed: DiskSpeed, context: ExecutorContext): InlineExecutor {
  return new InlineExecutor({ ...context, clock: slowed(context.clock, speed) });
}

function slowed(clock: EngineClock, speed: DiskSpeed): EngineClock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, callback) => clock.after(delayMs, callback),
    endOfTurn: (callback) => {
      const { delayMs } = speed;
      if (delayMs === 0) clock.endOfTurn(callback);
      else clock.after(delayMs, callback);
    },
  };
}
