/** Sends the requests of a plan to nodes of the cluster, and notes what comes of them. */
import { errorMessage } from '../../errors.ts';
import { ExplanationSlot } from '../../explanation.ts';
import { Outcome } from '../../outcome.ts';
import {
  Consistency,
  judgeRead,
  type RecordVersion,
  type RequestCondition,
  type RequestOptions,
  requestOptions,
} from '../../request-options.ts';
import type { Observation, ScanObservation } from '../history.ts';
import { plannedScan } from '../plan/make-plan.ts';
import { PlannedCondition, type PlannedRequest, RequestMethod } from '../plan/plan.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { Machine, Process } from './machine.ts';
import { scanAll } from './scanning-door.ts';
import { valueFor, WrittenValues } from './values.ts';

const OUTCOME_NAMES = Object.fromEntries(Object.entries(Outcome).map(([name, code]) => [code, name]));

/** Of everything; no plan has it. */
const WHOLE = plannedScan(-1);

interface UnderWay {
  readonly seen: { isCutOff: boolean };
  readonly process: Process;
}

export class Clients {
  readonly observations: Observation[] = [];
  readonly scans: ScanObservation[] = [];
  readonly values = new WrittenValues();
  readonly #cluster: SimulatedCluster;
  readonly #say: (who: string, what: string) => void;
  readonly #underWay = new Set<UnderWay>();
  /** The version that was seen last of each key, by any client. */
  readonly #seen = new Map<string, RecordVersion>();
  /** Keys that have had a value with an end. */
  readonly #mortal = new Set<string>();
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
    this.#say(machine.id, nameOf(request));
    if (request.kind !== RequestMethod.scan) {
      this.#ask(request, machine);
      return;
    }
    const scan = this.#newScan(request, machine);
    this.scans.push(scan);
    void this.#scan(scan, machine);
  }

  /** Notes which requests will not be answered, because who coordinated them has ended. */
  noteCutOff(): void {
    for (const { process, seen } of this.#underWay) if (process.clock.isOver) seen.isCutOff = true;
  }

  #ask(request: PlannedRequest, machine: Machine): void {
    const { id, process } = machine;
    const { entities } = process!.node!.services;
    const { clock } = process!;
    const condition = this.#conditionOf(request);
    const observation: Observation = {
      request,
      coordinator: id,
      calledAt: this.#moments++,
      calledMs: this.#cluster.time.monotonicMs(),
      answeredAt: Number.POSITIVE_INFINITY,
      answeredMs: Number.POSITIVE_INFINITY,
      frozenMs: 0,
      answers: 0,
      outcome: null,
      reason: '',
      timestamp: 0,
      writer: 0,
      livesMs: 0,
      ownLagMs: this.#mortal.has(request.key) ? machine.ownLagMs : 0,
      readId: -1,
      sent: sentVersion(condition),
      verdict: 'met',
      explanation: null,
      isCutOff: false,
      fault: '',
    };
    this.observations.push(observation);
    const frozenBeforeMs = clock.frozenMs;
    const underWay = { seen: observation, process: process! };
    this.#underWay.add(underWay);
    const slot = request.isExplained ? new ExplanationSlot() : null;
    const options = optionsOf(request, condition, slot);
    const key = Buffer.from(request.key);
    const sink = {
      onLargeValue: () => undefined,
      onOutcome: (
        outcome: Outcome,
        value: Uint8Array | null,
        reason: string,
        timestamp: number,
        writer: number,
        livesMs: number,
      ): void => {
        // Who has ended answers nobody.
        if (clock.isOver) return;
        this.#underWay.delete(underWay);
        if (++observation.answers > 1) return;
        observation.frozenMs = clock.frozenMs - frozenBeforeMs;
        Object.assign(observation, { outcome, reason, timestamp, writer, livesMs });
        // It may have come closer to the right time meanwhile.
        if (livesMs > 0) observation.ownLagMs = Math.max(observation.ownLagMs, machine.ownLagMs);
        if (slot !== null) observation.explanation = slot.explanation;
        // What a door does with a value that it is given.
        if (condition !== null && request.kind === RequestMethod.get && outcome === Outcome.ok)
          observation.verdict = judgeRead(condition, timestamp, writer);
        this.#noteAnswer(observation, value);
      },
    };
    if (request.kind === RequestMethod.get) entities.get(key, options, sink, 0);
    else if (request.kind === RequestMethod.delete) entities.delete(key, options, sink, 0);
    else {
      this.values.add(request);
      if (request.ttlMs > 0) this.#mortal.add(request.key);
      entities.put(key, valueFor(request), options, sink, 0);
    }
  }

  #noteAnswer(observation: Observation, value: Uint8Array | null): void {
    const { coordinator, outcome, reason, request, timestamp, writer } = observation;
    observation.answeredAt = this.#moments++;
    observation.answeredMs = this.#cluster.time.monotonicMs();
    if (value !== null) {
      const { fault, id } = this.values.find(request.key, value);
      observation.readId = id;
      observation.fault = fault === '' ? '' : `read ${fault}`;
    }
    if (timestamp > 0 && outcome === Outcome.ok) this.#seen.set(request.key, { timestamp, writer });
    this.#say(
      coordinator,
      `${nameOf(request)} → ${OUTCOME_NAMES[outcome!]}${describe(observation)}${reason === '' ? '' : ` (${reason})`}`,
    );
  }

  /** Of everything that a machine's node has. It is none of the run's requests. */
  scanWhole(machine: Machine): ScanObservation {
    const scan = this.#newScan(WHOLE, machine);
    if (machine.serving !== null) void this.#scan(scan, machine);
    return scan;
  }

  #newScan(request: PlannedRequest, machine: Machine): ScanObservation {
    return {
      request,
      machine: machine.id,
      node: this.#cluster.machines.indexOf(machine),
      ownLagMs: machine.ownLagMs,
      calledAt: this.#moments++,
      calledMs: this.#cluster.time.monotonicMs(),
      answeredAt: Number.POSITIVE_INFINITY,
      answeredMs: Number.POSITIVE_INFINITY,
      entries: null,
      isCutOff: false,
    };
  }

  async #scan(scan: ScanObservation, { id, process }: Machine): Promise<void> {
    const underWay = { seen: scan, process: process! };
    this.#underWay.add(underWay);
    const { endKey, key } = scan.request;
    let result: string;
    try {
      const end = endKey === null ? null : Buffer.from(endKey);
      const found = await scanAll(process!.node!.services.ranges, Buffer.from(key), end);
      if (process!.clock.isOver) return;
      scan.entries = found.map((entry) => this.values.entryOf(entry));
      result = `${found.length} entries`;
    } catch (error) {
      if (process!.clock.isOver) return;
      result = `failed (${errorMessage(error)})`;
    }
    this.#underWay.delete(underWay);
    scan.answeredAt = this.#moments++;
    scan.answeredMs = this.#cluster.time.monotonicMs();
    this.#say(id, `${nameOf(scan.request)} → ${result}`);
  }

  #coordinatorOf({ node }: PlannedRequest): Machine | null {
    const { machines } = this.#cluster;
    for (let i = 0; i < machines.length; i++) {
      const machine = machines[(node + i) % machines.length];
      if (machine.serving !== null && !machine.process!.clock.isFrozen) return machine;
    }
    return null;
  }

  #conditionOf({ condition, key }: PlannedRequest): RequestCondition | null {
    if (condition === PlannedCondition.absent) return { ifMatch: null, ifNoneMatch: 'any' };
    if (condition === PlannedCondition.present) return { ifMatch: 'any', ifNoneMatch: null };
    const seen = this.#seen.get(key);
    if (seen === undefined) return null;
    if (condition === PlannedCondition.seen) return { ifMatch: [seen], ifNoneMatch: null };
    if (condition === PlannedCondition.changed) return { ifMatch: null, ifNoneMatch: [seen] };
    return null;
  }
}

function optionsOf(
  request: PlannedRequest,
  condition: RequestCondition | null,
  explain: ExplanationSlot | null,
): RequestOptions {
  return requestOptions({
    ack: request.ack,
    from: request.from,
    consistency: request.isLinearizable ? Consistency.linearizable : Consistency.default,
    repair: request.repairsLater ? 'async' : null,
    condition,
    ttlMs: request.ttlMs,
    explain,
  });
}

function sentVersion(condition: RequestCondition | null): RecordVersion | null {
  const versions = condition?.ifMatch ?? condition?.ifNoneMatch ?? null;
  return versions === null || versions === 'any' ? null : versions[0];
}

function nameOf(request: PlannedRequest): string {
  const { ack, condition, endKey, from, id, isExplained, isLinearizable, key, kind, ttlMs } = request;
  if (kind === RequestMethod.scan)
    return `#${id} ${kind} from ${key}${endKey === null ? '' : ` to ${endKey}`}`;
  const more = [
    isLinearizable ? ' linearizable' : '',
    condition === PlannedCondition.none ? '' : ` if ${condition}`,
    ttlMs === 0 ? '' : ` for ${ttlMs} ms`,
    isExplained ? ' explained' : '',
  ];
  return `#${id} ${kind} ${key} ${ack}/${from}${more.join('')}`;
}

function describe({ readId, timestamp, verdict, writer }: Observation): string {
  const what = readId < 0 ? '' : ` value of #${readId}`;
  const version = timestamp === 0 ? '' : ` version ${timestamp}.${writer.toString(16)}`;
  return `${what}${version}${verdict === 'met' ? '' : ` ${verdict}`}`;
}
