/**
 * Takes in the body of one request, for whoever owns the request. A small body is read at once. Of a large one only the
 * beginning is, where there is room for it: the rest stays with its client until it is its turn (`readOn`), so what was
 * only announced holds up nobody. The handlers on the request are shared by all and find the intake on the request.
 *
 *   waiting ─ begin ─▶ reading ─ whole, or failed ─▶ over
 *      └──── begin, large ──▶ gathering ─ begun ─▶ paused ─ readOn ─▶ reading
 *
 * The owner hears once how it ended, and never has a value of which something is missing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SMALL_VALUE_BYTES } from '../admission/admission.ts';
import type { ValueIntake, ValueOwner } from '../admission/entity-request.ts';
import type { TimerHandle } from '../clock.ts';
import { BodyCollector } from './body.ts';
import type { WatchedBody } from './body-watch.ts';
import { type BodyReader, HttpConnection } from './connection.ts';
import type { HttpContext } from './context.ts';

/** A large body of which less than this arrives in a while does not keep its place from others. */
const LEAST_ARRIVED_BYTES = 64 * 1024;
const ARRIVAL_MS = 100;
/** How long a chunked body is expected to be. */
const EXPECTED_CHUNKED_BYTES = 64 * 1024;

const INTAKE = Symbol('body intake');
type IntakeRequest = IncomingMessage & { [INTAKE]?: BodyIntake };

export interface BodyOwner extends ValueOwner {
  /** It will not come whole. */
  onBodyFailed(status: number, sentence: string): void;
}

export class BodyIntake implements BodyReader, ValueIntake, WatchedBody {
  watchedEarlier: WatchedBody | null = null;
  watchedLater: WatchedBody | null = null;
  watchedTicks = 0;
  watchedBytes = 0;
  reservedBytes = 0;
  readonly expectedBytes: number;
  readonly #context: HttpContext;
  readonly #request: IntakeRequest;
  readonly #response: ServerResponse;
  readonly #owner: BodyOwner;
  /** -1: chunked. */
  readonly #declaredBytes: number;
  /** The client waits to be told that its body is wanted. */
  readonly #isAwaitingContinue: boolean;
  #body: BodyCollector | null = null;
  #isOver = false;
  #isReading = false;
  #isGathering = false;
  #arrivedBytes = 0;
  #arrivalTimer: TimerHandle | null = null;

  /** @param declaredBytes -1: chunked @param isAwaitingContinue the client sends it when it is told to */
  constructor(
    context: HttpContext,
    request: IncomingMessage,
    response: ServerResponse,
    declaredBytes: number,
    isAwaitingContinue: boolean,
    owner: BodyOwner,
  ) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#declaredBytes = declaredBytes;
    this.#isAwaitingContinue = isAwaitingContinue;
    this.#owner = owner;
    this.expectedBytes = declaredBytes < 0 ? EXPECTED_CHUNKED_BYTES : declaredBytes;
    // Also before it is read: a body that breaks is always that of the last request that was parsed.
    HttpConnection.of(request.socket).bodyReader = this;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isSmall(): boolean {
    return this.expectedBytes <= SMALL_VALUE_BYTES;
  }

  get mayBegin(): boolean {
    if (this.isSmall) return true;
    // A client that waits to be told sends nothing before; and what room is left is for requests whose turn has come.
    return !this.#isAwaitingContinue && !this.#context.admission.isHalfFull;
  }

  begin(): void {
    this.#isGathering = !this.isSmall;
    this.#read();
  }

  readOn(): void {
    this.#watchArrival();
    if (this.#body === null) {
      this.#read();
    } else {
      this.#isReading = true;
      this.#context.bodyWatch.add(this);
      this.#request.resume();
    }
  }

  discard(): void {
    if (!this.#isOver) this.#pause();
    this.#body = null;
    this.#context.admission.releaseBytes(this.reservedBytes);
    this.reservedBytes = 0;
  }

  stop(): void {
    this.#end();
    this.#request.off('data', onData);
  }

  #end(): void {
    this.#isOver = true;
    this.#isReading = false;
    this.#body = null;
    this.#context.bodyWatch.remove(this);
    this.#arrivalTimer?.cancel();
  }

  #read(): void {
    const request = this.#request;
    this.#isReading = true;
    this.#body = new BodyCollector(this.#declaredBytes, this.#context.limits.maxValueBytes);
    if (this.#isAwaitingContinue) this.#response.writeContinue();
    this.#context.bodyWatch.add(this);
    request[INTAKE] = this;
    request.on('data', onData);
    request.on('end', onEnd);
    request.on('error', onCut);
  }

  #pause(): void {
    this.#isReading = false;
    this.#isGathering = false;
    this.#arrivalTimer?.cancel();
    this.#context.bodyWatch.remove(this);
    this.#request.pause();
  }

  #watchArrival(): void {
    this.#arrivedBytes = 0;
    this.#arrivalTimer = this.#context.clock.every(ARRIVAL_MS, () => this.#checkArrival());
  }

  /** A client may send slowly, but must not keep others waiting meanwhile. */
  #checkArrival(): void {
    if (this.#arrivedBytes < LEAST_ARRIVED_BYTES) {
      this.#arrivalTimer?.cancel();
      this.#owner.onValueSlow();
    }
    this.#arrivedBytes = 0;
  }

  onBodyPiece(piece: Buffer): void {
    const body = this.#body;
    if (!this.#isReading || body === null) return;
    this.#arrivedBytes += piece.length;
    this.watchedBytes += piece.length;
    if (!body.add(piece)) {
      this.#fail(413, tooLong(this.#context));
      return;
    }
    const unreserved = body.heldBytes - this.reservedBytes;
    if (unreserved > 0) {
      if (!this.#context.admission.reserveBytes(unreserved)) {
        this.#pause();
        this.#owner.onNoRoom();
        return;
      }
      this.reservedBytes += unreserved;
    }
    if (this.#isGathering && body.heldBytes >= SMALL_VALUE_BYTES) {
      this.#pause();
      this.#owner.onValueBegun();
    }
  }

  onBodyEnd(): void {
    const body = this.#body;
    if (!this.#isReading || body === null || !this.#request.complete) return;
    this.#end();
    this.#owner.onValue(body.bytes());
  }

  onBrokenBody(status: number, sentence: string): boolean {
    if (this.#isOver) return false;
    this.#fail(status, sentence);
    return true;
  }

  onTooSlow(leastBytesPerSecond: number): void {
    this.#fail(408, `The body came too slowly: send at least ${leastBytesPerSecond} bytes a second.`);
  }

  onCut(): void {
    if (!this.#isReading) return;
    this.stop();
    this.#owner.onValueCut();
  }

  #fail(status: number, sentence: string): void {
    this.stop();
    this.#owner.onBodyFailed(status, sentence);
  }
}

export function tooLong(context: HttpContext): string {
  return `The value is too long: it has at most ${context.limits.maxValueBytes} bytes.`;
}

function onData(this: IntakeRequest, piece: Buffer): void {
  this[INTAKE]?.onBodyPiece(piece);
}

function onEnd(this: IntakeRequest): void {
  this[INTAKE]?.onBodyEnd();
}

function onCut(this: IntakeRequest): void {
  this[INTAKE]?.onCut();
}
