import { CallTable } from '../../native-free-lsm/index.ts';
import type { ReplySink } from '../reply.ts';

/** A request whose answer is out. */
export interface InFlight {
  /** What the answer comes with. */
  id: number;
  sink: ReplySink;
  position: number;
  deadlineMs: number;
  /** Sent in fragments. */
  isLarge: boolean;
  /** Success is a record. */
  wantsRecord: boolean;
}

const NOBODY: ReplySink = { onReply() {} };

/** The requests to one peer that wait for an answer. */
export class InFlightTable {
  /** The first id is 1, so that a 0 in a frame shows that nobody wrote an id there. */
  readonly #calls = new CallTable<InFlight>(1);

  get count(): number {
    return this.#calls.count;
  }

  /** Takes note of a request, and returns the id to send it with. */
  add(sink: ReplySink, position: number, deadlineMs: number, isLarge: boolean, wantsRecord: boolean): number {
    const call = this.#calls.reuse() ?? newCall();
    call.sink = sink;
    call.position = position;
    call.deadlineMs = deadlineMs;
    call.isLarge = isLarge;
    call.wantsRecord = wantsRecord;
    call.id = this.#calls.add(call);
    return call.id;
  }

  /** Undefined: nobody waits for this answer any more. `free` the request once you have read who does. */
  find(id: number): InFlight | undefined {
    return this.#calls.find(id);
  }

  /** The request is over: it may be used again. */
  free(request: InFlight): void {
    request.sink = NOBODY;
    this.#calls.free(request.id);
  }

  /** Takes out all whose deadline has passed. */
  takeExpired(nowMs: number): readonly InFlight[] {
    return this.#calls.takeWhere(isExpired, nowMs);
  }

  takeAll(): readonly InFlight[] {
    return this.#calls.takeAll();
  }
}

function newCall(): InFlight {
  return { id: -1, sink: NOBODY, position: 0, deadlineMs: 0, isLarge: false, wantsRecord: false };
}

function isExpired({ deadlineMs }: InFlight, nowMs: number): boolean {
  return deadlineMs <= nowMs;
}
