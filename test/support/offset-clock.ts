/** The system's clock, with a wall clock that a test can set wrong at any time through `offsetMs`. */
import { type Clock, systemClock, type TimerHandle } from '../../src/clock.ts';

export class OffsetClock implements Clock {
  offsetMs = 0;

  nowMs(): number {
    return systemClock.nowMs() + this.offsetMs;
  }

  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    return systemClock.after(delayMs, callback);
  }

  every(periodMs: number, callback: () => void): TimerHandle {
    return systemClock.every(periodMs, callback);
  }

  endOfTurn(callback: () => void): void {
    systemClock.endOfTurn(callback);
  }
}
