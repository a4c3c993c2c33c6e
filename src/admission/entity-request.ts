/**
 * One request for an entity and its one answer, in whatever protocol: it waits for those before it on its connection,
 * is admitted, waits in line, is served, and is answered. A door extends it by how its protocol brings values in and
 * writes answers, so that a request is one object and little else.
 *
 *   queue ─ GET, DELETE, PUT with its value ─▶ in line ─────────────────────▶ serving ─ outcome ─▶ answered
 *     ├──── PUT, small ──▶ reading ─ value is there ─▶ in line ─▶┤                                  ▲
 *     └──── PUT, large ──▶ gathering ─▶ in line ─▶ reading ─ value is there ─▶┘                     │
 *             └─ broken, cut, no room, too late ────────────────────────────────────────────────────┘
 *
 * A large value stays with its client until it is its turn, but for its beginning: what is only announced waits for
 * nothing and holds up nobody. A value that does not come whole is never handed on, so nothing of it is stored.
 */
import { errorMessage } from '../errors.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import type { RequestOptions } from '../request-options.ts';
import { BEHIND_SENTENCE, OVERLOADED_SENTENCE } from './admission.ts';
import { type Beginner, type ClientConnection, MAX_PIPELINED_REQUESTS } from './client-connection.ts';
import type { DoorContext } from './door.ts';
import type { Refusable } from './paced-refusals.ts';
import { LineEntry, type Waiting, type WaitingLine } from './waiting-line.ts';

const Phase = { inLine: 0, reading: 1, serving: 2, answered: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const EMPTY_VALUE = new Uint8Array(0);
const PIPELINED_SENTENCE = `The connection has ${MAX_PIPELINED_REQUESTS} requests unanswered: send fewer at a time.`;

export type EntityMethod = 'GET' | 'PUT' | 'DELETE';

/** Brings in the value of a PUT that has not come whole yet. */
export interface ValueIntake {
  /** How many of its bytes count as in flight. */
  readonly reservedBytes: number;
  /** How long it is expected to be, as far as that is known. */
  readonly expectedBytes: number;
  /** It is read whole before its request waits in line. */
  readonly isSmall: boolean;
  /** Whether some of it may be read before its turn. */
  readonly mayBegin: boolean;
  /** It has come whole, or has failed. */
  readonly isOver: boolean;
  /** Reads what may be read before its turn. */
  begin(): void;
  /** Its turn has come. */
  readOn(): void;
  /** Forgets what has come. The owner still hears when the rest fails. */
  discard(): void;
  /** Reads no more, and the owner hears no more. */
  stop(): void;
}

/** Hears how an intake goes on, and once how it ended. It is never given a value of which something is missing. */
export interface ValueOwner {
  onValue(value: Uint8Array): void;
  /** It has begun to come: the rest waits for `readOn`. */
  onValueBegun(): void;
  /** It comes too slowly to keep a place from others meanwhile. */
  onValueSlow(): void;
  /** There is no room for what has come. */
  onNoRoom(): void;
  /** It will not come whole, and nobody is there to be answered. */
  onValueCut(): void;
}

export abstract class EntityRequest<Context extends DoorContext = DoorContext>
  implements OutcomeSink, ValueOwner, Beginner, Refusable, Waiting
{
  lineCost = 0;
  sinceMs = 0;
  behind: EntityRequest | null = null;
  ahead: EntityRequest | null = null;
  protected readonly context: Context;
  protected readonly connection: ClientConnection;
  protected readonly method: EntityMethod;
  /** The answer is being sent, and the request keeps its place in line until somebody calls `leaveLine`. */
  protected isSending = false;
  protected readonly options: RequestOptions;
  readonly #key: Uint8Array;
  #phase: Phase = Phase.inLine;
  /** The value of a PUT, once it has come completely. */
  #value: Uint8Array | null = EMPTY_VALUE;
  /** Takes in the value of a PUT that is not there yet. */
  #intake: ValueIntake | null = null;
  #line: WaitingLine;
  /** What it counts as in its line. */
  #lineBytes = 0;
  /** It is being served, and others of its line wait for that to end. */
  #hasPlace = false;
  /** It is among those of its connection that are in work. */
  #isInWork = false;
  #isAdmitted = false;
  #answerBytes = 0;
  #waitedMs = 0;

  constructor(
    context: Context,
    connection: ClientConnection,
    method: EntityMethod,
    key: Uint8Array,
    options: RequestOptions,
  ) {
    this.context = context;
    this.connection = connection;
    this.method = method;
    this.options = options;
    this.#key = key;
    const { admission } = context;
    this.#line = method === 'GET' ? admission.reads : admission.smallWrites;
  }

  /** Nobody is there to be answered any more. */
  protected abstract get isClientGone(): boolean;

  /** Writes the answer of a request that was served. The client may be gone meanwhile. */
  protected abstract answer(
    outcome: Outcome,
    value: Uint8Array | null,
    reason: string,
    timestamp: number,
    writer: number,
    livesMs: number,
  ): void;

  /** Writes the answer of a request for which nothing was done. */
  protected abstract answerUnserved(outcome: Outcome, reason: string): void;

  /** The value of a PUT is not there yet. To be called before `queue`. */
  protected awaitValue(intake: ValueIntake): void {
    this.#intake = intake;
    this.#value = null;
    this.#lineBytes = intake.expectedBytes;
    if (!intake.isSmall) this.#line = this.context.admission.largeWrites;
  }

  /** Begins the request, or has it wait for others of its connection. Admission counts it when it is begun. */
  protected queue(): void {
    const { connection } = this;
    if (connection.unanswered >= MAX_PIPELINED_REQUESTS) {
      this.context.admission.countRefused();
      this.#refuse(PIPELINED_SENTENCE);
      return;
    }
    connection.unanswered++;
    connection.begin(this);
  }

  begin(): void {
    this.#isInWork = true;
    if (this.#phase === Phase.answered) {
      // Its value broke while it waited.
      this.#endOnConnection();
    } else if (!this.context.admission.admitRequest(0)) {
      this.release();
      this.#refuse(OVERLOADED_SENTENCE);
    } else this.#beginAdmitted();
  }

  #beginAdmitted(): void {
    this.#isAdmitted = true;
    const intake = this.#intake;
    if (intake?.mayBegin) {
      this.#phase = Phase.reading;
      intake.begin();
    } else this.#enterLine();
  }

  drop(): void {
    if (this.#phase !== Phase.answered) this.release();
  }

  #enterLine(): void {
    this.#phase = Phase.inLine;
    // Only now, because requests that were ahead of it may have shown how long values are.
    if (this.method === 'GET') this.#lineBytes = this.context.admission.expectedReadBytes;
    switch (this.#line.enter(this, this.#lineBytes)) {
      case LineEntry.now:
        this.#hasPlace = true;
        this.#goOn();
        break;
      case LineEntry.waiting:
        break;
      default:
        this.context.admission.countRefused();
        this.#waitForRefusal();
    }
  }

  onTurn(waitedMs: number): void {
    this.#hasPlace = true;
    this.#waitedMs += waitedMs;
    if (this.#phase !== Phase.inLine) this.leaveLine();
    else if (this.isClientGone) this.release();
    else this.#goOn();
  }

  onTurnMissed(): void {
    if (this.#phase === Phase.inLine) this.context.admission.countRefused();
    this.onRefused();
  }

  /** While it waits to be refused it holds nothing of its value. */
  #waitForRefusal(): void {
    const { bodyRefusals, refusals } = this.context.admission;
    const line = this.#value === null ? bodyRefusals : refusals;
    this.#value = null;
    this.#intake?.discard();
    line.refuse(this);
  }

  onRefused(): void {
    if (this.#phase !== Phase.inLine) return;
    this.release();
    if (!this.isClientGone) this.#refuse(BEHIND_SENTENCE);
  }

  #goOn(): void {
    const value = this.#value;
    this.#value = null;
    if (value !== null) {
      this.#dispatch(value);
    } else {
      this.#phase = Phase.reading;
      this.#intake?.readOn();
    }
  }

  onValue(value: Uint8Array): void {
    if (this.#hasPlace) this.#dispatch(value);
    else {
      this.#value = value;
      this.#enterLine();
    }
  }

  onValueBegun(): void {
    this.#enterLine();
  }

  onValueSlow(): void {
    this.leaveLine();
  }

  onNoRoom(): void {
    this.#phase = Phase.inLine;
    this.leaveLine();
    this.#waitForRefusal();
  }

  onValueCut(): void {
    this.release();
  }

  #dispatch(value: Uint8Array): void {
    this.#phase = Phase.serving;
    const { options } = this;
    const { entities } = this.context;
    const waitedMs = this.#waitedMs;
    try {
      if (this.method === 'GET') entities.get(this.#key, options, this, waitedMs);
      else if (this.method === 'PUT') entities.put(this.#key, value, options, this, waitedMs);
      else entities.delete(this.#key, options, this, waitedMs);
    } catch (error) {
      this.context.log.error(`${this.method} of an entity failed: ${errorMessage(error)}`);
      this.onOutcome(Outcome.failed, null, 'The node failed while it served the request.', 0, 0, 0);
    }
  }

  /** Noted before the answer, which may come late or never: requests behind this one are expected to be as large. */
  onLargeValue(bytes: number): void {
    this.context.admission.noteRead(bytes);
  }

  onOutcome(
    outcome: Outcome,
    value: Uint8Array | null,
    reason: string,
    timestamp: number,
    writer: number,
    livesMs: number,
  ): void {
    if (this.#phase !== Phase.serving) return;
    this.answer(outcome, value, reason, timestamp, writer, livesMs);
    if (this.method === 'GET' && outcome <= Outcome.notFound) {
      this.#answerBytes = value?.length ?? 0;
      this.context.admission.noteRead(this.#answerBytes);
    }
    // Last, because it lets another request in.
    this.release();
  }

  #refuse(reason: string): void {
    this.#phase = Phase.answered;
    this.#stopIntake();
    this.answerUnserved(Outcome.overloaded, reason);
  }

  /** The request is over, or is over with the answer that follows. */
  protected release(): void {
    this.#phase = Phase.answered;
    this.#value = null;
    this.#stopIntake();
    this.connection.unanswered--;
    // Before it leaves admission: the next of its connection must be admitted while a node that drains still waits.
    if (this.#isInWork) this.#endOnConnection();
    if (this.#isAdmitted) this.context.admission.releaseRequest(this.#intake?.reservedBytes ?? 0);
    if (!this.isSending) this.leaveLine();
  }

  /** A request that has its answer must not hear of its value any more, or it would be answered twice. */
  #stopIntake(): void {
    const intake = this.#intake;
    if (intake !== null && !intake.isOver) intake.stop();
  }

  #endOnConnection(): void {
    this.#isInWork = false;
    this.connection.end(this.#answerBytes);
  }

  /** Lets another have its turn. */
  leaveLine(): void {
    if (!this.#hasPlace) return;
    this.#hasPlace = false;
    this.#line.leave(this.#lineBytes);
  }
}
