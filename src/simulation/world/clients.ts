/** Sends the requests of a plan to nodes of the cluster, and notes what comes of them. */
import { Outcome } from '../../outcome.ts';
import {
  Consistency,
  type RequestCondition,
  type RequestOptions,
  requestOptions,
} from '../../request-options.ts';
import type { Observation } from '../history.ts';
import { PlannedCondition, type PlannedRequest, RequestMethod } from '../plan/plan.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { Process } from './machine.ts';

const ID_BYTES = 4;
const OUTCOME_NAMES = Object.fromEntries(Object.entries(Outcome).map(([name, code]) => [code, name]));

interface UnderWay {
  readonly observation: Observation;
  readonly process: Process;
}

export class Clients {
  readonly observations: Observation[] = [];
  readonly #cluster: SimulatedCluster;
  readonly #say: (who: string, what: string) => void;
  readonly #byId = new Map<number, PlannedRequest>();
  readonly #underWay = new Set<UnderWay>();
  /** The version that was seen last of each key, by any client. */
  readonly #seen = new Map<string, { timestamp: number; writer: number }>();
  #moments = 0;

  constructor(cluster: SimulatedCluster, say: (who: string, what: string) => void) {
    this.#cluster = cluster;
    this.#say = say;
  }

  send(request: PlannedRequest): void {
    const machine = this.#coordinatorOf(request);
    if (machine === null) {
      this.#say('', `${nameOf(request)} finds no node that takes it`);
      return;
    }
    const { process } = machine;
    const { entities } = process!.node!.services;
    const { time } = this.#cluster;
    const observation: Observation = {
      request,
      coordinator: machine.id,
      calledAt: this.#moments++,
      calledMs: time.monotonicMs(),
      answeredAt: Number.POSITIVE_INFINITY,
      answeredMs: Number.POSITIVE_INFINITY,
      frozenMs: 0,
      answers: 0,
      outcome: null,
      reason: '',
      timestamp: 0,
      writer: 0,
      expiryMs: 0,
      readId: -1,
      isCutOff: false,
      fault: '',
    };
    this.observations.push(observation);
    this.#byId.set(request.id, request);
    this.#say(machine.id, nameOf(request));
    const underWay = { observation, process: process! };
    const frozenBeforeMs = process!.clock.frozenMs;
    this.#underWay.add(underWay);
    const options = this.#optionsOf(request);
    const key = Buffer.from(request.key);
    const sink = {
      onLargeValue: () => undefined,
      onOutcome: (
        outcome: Outcome,
        value: Uint8Array | null,
        reason: string,
        timestamp: number,
        writer: number,
        expiryMs: number,
      ): void => {
        // Who has ended answers nobody.
        if (process!.clock.isOver) return;
        this.#underWay.delete(underWay);
        observation.frozenMs = process!.clock.frozenMs - frozenBeforeMs;
        this.#answered(observation, outcome, value, reason, timestamp, writer, expiryMs);
      },
    };
    if (request.kind === RequestMethod.get) entities.get(key, options, sink, 0);
    else if (request.kind === RequestMethod.put) entities.put(key, valueFor(request), options, sink, 0);
    else entities.delete(key, options, sink, 0);
  }

  /** Notes which requests will not be answered, because who coordinated them has ended. */
  noteCutOff(): void {
    for (const { observation, process } of this.#underWay)
      if (process.clock.isOver) observation.isCutOff = true;
  }

  #answered(
    observation: Observation,
    outcome: Outcome,
    value: Uint8Array | null,
    reason: string,
    timestamp: number,
    writer: number,
    expiryMs: number,
  ): void {
    observation.answers++;
    if (observation.answers > 1) return;
    const { request } = observation;
    observation.answeredAt = this.#moments++;
    observation.answeredMs = this.#cluster.time.monotonicMs();
    observation.outcome = outcome;
    observation.reason = reason;
    observation.timestamp = timestamp;
    observation.writer = writer;
    observation.expiryMs = expiryMs;
    if (value !== null) this.#noteValue(observation, value);
    if (timestamp > 0 && outcome === Outcome.ok) this.#seen.set(request.key, { timestamp, writer });
    this.#say(
      observation.coordinator,
      `${nameOf(request)} → ${OUTCOME_NAMES[outcome]}${describe(observation)}${reason === '' ? '' : ` (${reason})`}`,
    );
  }

  #noteValue(observation: Observation, value: Uint8Array): void {
    const { key } = observation.request;
    const id = value.length < ID_BYTES ? -1 : Buffer.from(value).readUInt32LE(0);
    const writer = this.#byId.get(id);
    observation.readId = id;
    if (writer === undefined || writer.key !== key || !valueFor(writer).equals(value))
      observation.fault = `read ${value.length} bytes that nobody wrote to ${key}`;
  }

  #coordinatorOf({ node }: PlannedRequest): SimulatedCluster['machines'][number] | null {
    const { machines } = this.#cluster;
    for (let i = 0; i < machines.length; i++) {
      const machine = machines[(node + i) % machines.length];
      if (machine.serving !== null && !machine.process!.clock.isFrozen) return machine;
    }
    return null;
  }

  #optionsOf(request: PlannedRequest): RequestOptions {
    return requestOptions({
      ack: request.ack,
      from: request.from,
      consistency: request.isLinearizable ? Consistency.linearizable : Consistency.default,
      repair: request.repairsLater ? 'async' : null,
      condition: this.#conditionOf(request),
      ttlMs: request.ttlMs,
    });
  }

  #conditionOf({ condition, key }: PlannedRequest): RequestCondition | null {
    if (condition === PlannedCondition.absent) return { ifMatch: null, ifNoneMatch: 'any' };
    if (condition === PlannedCondition.present) return { ifMatch: 'any', ifNoneMatch: null };
    const seen = this.#seen.get(key);
    if (condition === PlannedCondition.seen && seen !== undefined)
      return { ifMatch: [seen], ifNoneMatch: null };
    return null;
  }
}

/** The number of its request, and bytes that tell it from all others. */
function valueFor({ id, paddingBytes }: PlannedRequest): Buffer {
  const value = Buffer.alloc(ID_BYTES + paddingBytes, id);
  value.writeUInt32LE(id, 0);
  return value;
}

function nameOf(request: PlannedRequest): string {
  const { ack, condition, from, id, isLinearizable, key, kind, ttlMs } = request;
  const more = [
    isLinearizable ? ' linearizable' : '',
    condition === PlannedCondition.none ? '' : ` if ${condition}`,
    ttlMs === 0 ? '' : ` for ${ttlMs} ms`,
  ];
  return `#${id} ${kind} ${key} ${ack}/${from}${more.join('')}`;
}

function describe({ readId, timestamp, writer }: Observation): string {
  const what = readId < 0 ? '' : ` value of #${readId}`;
  return timestamp === 0 ? what : `${what} version ${timestamp}.${writer.toString(16)}`;
}
