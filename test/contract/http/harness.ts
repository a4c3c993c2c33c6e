/** A server on a port of its own over services that a test controls. */
import { Admission, type AdmissionLimits } from '../../../src/admission/admission.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { ENTRY_ENCODINGS } from '../../../src/http/entry-encoding.ts';
import { HttpServer, type HttpServerOptions } from '../../../src/http/server.ts';
import { Doors } from '../../../src/node/doors.ts';
import { Outcome, type OutcomeSink } from '../../../src/outcome.ts';
import { isConditionMet, type RequestOptions } from '../../../src/request-options.ts';
import type { EncodedPage, EntityService, ProfileService, RangeService } from '../../../src/services.ts';
import { encodedPage } from '../../support/encoded-page.ts';
import { RawClient } from './raw-client.ts';

export interface EntityCall {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly key: string;
  readonly value: Buffer;
  readonly options: RequestOptions;
  readonly reply: OutcomeSink;
  readonly waitedMs: number;
}

/** A map that answers at once, unless it is told to hold its answers back, or what to answer. */
export class FakeEntities implements EntityService {
  readonly stored = new Map<string, Buffer>();
  /** What the map's answers say of the version, and of how long a value lives. */
  timestamp = 0x123;
  writer = 0x45;
  livesMs = 0;
  readonly calls: EntityCall[] = [];
  /** Called instead of the map. */
  behaviour: ((call: EntityCall) => void) | null = null;

  get(key: Uint8Array, options: RequestOptions, reply: OutcomeSink, waitedMs: number): void {
    this.#call('GET', key, Buffer.alloc(0), options, reply, waitedMs);
  }

  put(
    key: Uint8Array,
    value: Uint8Array,
    options: RequestOptions,
    reply: OutcomeSink,
    waitedMs: number,
  ): void {
    this.#call('PUT', key, Buffer.from(value), options, reply, waitedMs);
  }

  delete(key: Uint8Array, options: RequestOptions, reply: OutcomeSink, waitedMs: number): void {
    this.#call('DELETE', key, Buffer.alloc(0), options, reply, waitedMs);
  }

  /** The map's answer to a call. */
  settle({ method, key, value, options, reply }: EntityCall): void {
    const found = this.stored.get(key);
    const { livesMs, timestamp, writer } = this;
    const { condition } = options;
    if (method !== 'GET' && condition !== null) {
      const version = found === undefined ? [0, 0] : [timestamp, writer];
      if (!isConditionMet(condition, version[0], version[1])) {
        reply.onOutcome(Outcome.conditionFailed, null, 'not met', version[0], version[1], 0);
        return;
      }
    }
    if (method === 'PUT') this.stored.set(key, value);
    if (method === 'DELETE') this.stored.delete(key);
    if (method === 'GET' && found === undefined) reply.onOutcome(Outcome.notFound, null, '', 0, 0, 0);
    else
      reply.onOutcome(Outcome.ok, method === 'GET' ? (found ?? null) : null, '', timestamp, writer, livesMs);
  }

  #call(
    method: EntityCall['method'],
    key: Uint8Array,
    value: Buffer,
    options: RequestOptions,
    reply: OutcomeSink,
    waitedMs: number,
  ): void {
    const call = { method, key: Buffer.from(key).toString('latin1'), value, options, reply, waitedMs };
    this.calls.push(call);
    if (this.behaviour === null) this.settle(call);
    else this.behaviour(call);
  }
}

export interface PageCall {
  readonly start: string;
  readonly end: string | null;
  readonly signal: AbortSignal;
}

/** Pages of a sorted list of entries, `entriesPerPage` at a time. */
export class FakeRanges implements RangeService {
  entries: (readonly [string, string])[] = [];
  entriesPerPage = 3;
  readonly calls: PageCall[] = [];
  /** Awaited before a page is given; may throw. */
  beforePage: ((call: PageCall, index: number) => Promise<void> | void) | null = null;

  async page(
    start: Uint8Array,
    end: Uint8Array | null,
    _maxBytes: number,
    encoder: number,
    signal: AbortSignal,
  ): Promise<EncodedPage> {
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
    const call = { start: text(start), end: end === null ? null : text(end), signal };
    this.calls.push(call);
    await this.beforePage?.(call, this.calls.length - 1);
    const inRange = this.entries.filter(
      ([key]) => key >= call.start && (call.end === null || key < call.end),
    );
    const next = inRange.at(this.entriesPerPage);
    const resumeAt = next === undefined ? null : Buffer.from(next[0], 'latin1');
    return encodedPage(inRange.slice(0, this.entriesPerPage), ENTRY_ENCODINGS[encoder - 1].encoder, resumeAt);
  }
}

type Options = HttpServerOptions & AdmissionLimits;

const DEFAULTS: Options = {
  host: '127.0.0.1',
  port: 0,
  allowedHosts: ['test', 'fuzz.test'],
  maxValueBytes: 1024 * 1024,
  maxKeyBytes: 4096,
  maxRequestsInFlight: 256,
  maxBytesInFlight: 64 * 1024 * 1024,
  headersTimeoutMs: 60_000,
  bodyTimeoutMs: 30_000,
  keepAliveTimeoutMs: 60_000,
  rangeTimeoutMs: 10_000,
  minReadBytesPerSecond: 8192,
  minBodyBytesPerSecond: 1024,
  answerTimeoutMs: 1000,
};

export class Harness implements AsyncDisposable {
  readonly entities = new FakeEntities();
  readonly ranges = new FakeRanges();
  readonly status = { status: (): Record<string, unknown> => ({ node: 'n1', state: 'serving' }) };
  /** The slots of each repair that was asked for, `first..last`. */
  readonly repaired: string[] = [];
  readonly logged: string[] = [];
  readonly admission: Admission;
  readonly server: HttpServer;
  readonly #doors: Doors;

  private constructor(options: Partial<Options>, profiles: ProfileService | null, admissionClock: Clock) {
    const say = (message: string): void => void this.logged.push(message);
    const log = { info: say, warn: say, error: say };
    const { entities, ranges, status } = this;
    const all = { ...DEFAULTS, ...options };
    const clock = systemClock;
    this.admission = new Admission(all, admissionClock);
    const repairs = { repair: (first: number, last: number) => this.repaired.push(`${first}..${last}`) };
    const services = { entities, ranges, status, repairs, profiles };
    const context = { ...services, admission: this.admission, clock, log, firstEncoder: 1 };
    this.server = new HttpServer(context, all);
    this.#doors = new Doors([this.server], this.admission, clock);
  }

  /**
   * @param admissionClock one that stands still where requests are held: admission measures how fast they are answered,
   *   and lets fewer in when a busy machine makes that slow
   */
  static async start(
    options: Partial<Options> = {},
    profiles: ProfileService | null = null,
    admissionClock: Clock = systemClock,
  ): Promise<Harness> {
    const harness = new Harness(options, profiles, admissionClock);
    await harness.server.listen();
    return harness;
  }

  /** Drains as a node does. */
  drain(signal?: AbortSignal): Promise<void> {
    return this.#doors.drain(signal);
  }

  /** @param localAddress of this machine, to be another client */
  connect(localAddress?: string): Promise<RawClient> {
    return RawClient.connect(this.server.port, localAddress);
  }

  get isIdle(): boolean {
    const { requestsInFlight, bytesInFlight, rangesInFlight } = this.admission.figures;
    return requestsInFlight + bytesInFlight + rangesInFlight === 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain(AbortSignal.abort());
  }
}

/** A request without a body; more headers may follow the target. */
export function request(method: string, target: string, ...headers: string[]): string {
  return `${[`${method} ${target} HTTP/1.1`, 'Host: test', ...headers].join('\r\n')}\r\n\r\n`;
}

/** Resolves in the first turn of the loop in which `condition` holds; rejects when none comes. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
