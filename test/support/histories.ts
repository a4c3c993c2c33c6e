/** Histories by hand, for the tests of the simulator's checks. */
import { Outcome } from '../../src/outcome.ts';
import type {
  FinalState,
  History,
  Observation,
  ScannedEntry,
  ScanObservation,
  StoredRecord,
} from '../../src/simulation/history.ts';
import { PlannedCondition, type PlannedRequest, RequestMethod } from '../../src/simulation/plan/plan.ts';

/** Requests come one after the other, each answered before the next, unless they say otherwise. */
export class HistoryByHand {
  readonly observations: Observation[] = [];
  readonly scans: ScanObservation[] = [];
  readonly lossesMs: number[][] = [[], [], []];
  readonly slipsMs: number[][] = [[], [], []];
  #moment = 0;

  /** A write that is acknowledged, with its version's timestamp. */
  put(timestamp: number, request: Partial<PlannedRequest> = {}): Observation {
    return this.#add({ kind: RequestMethod.put, ...request }, { timestamp });
  }

  delete(timestamp: number, request: Partial<PlannedRequest> = {}): Observation {
    return this.#add({ kind: RequestMethod.delete, ...request }, { timestamp });
  }

  /** A read of what `written` wrote; null: it finds nothing at all. */
  get(written: Observation | null, request: Partial<PlannedRequest> = {}): Observation {
    if (written === null)
      return this.#add({ kind: RequestMethod.get, ...request }, { outcome: Outcome.notFound });
    const { timestamp, request: wrote } = written;
    const isValue = wrote.kind === RequestMethod.put;
    const seen = isValue ? { timestamp, readId: wrote.id } : { timestamp, outcome: Outcome.notFound };
    return this.#add({ kind: RequestMethod.get, ...request }, seen);
  }

  /** A write that nobody has heard of again. */
  unknown(request: Partial<PlannedRequest> = {}): Observation {
    const answeredAt = Number.POSITIVE_INFINITY;
    const none = { answers: 0, outcome: null, answeredAt, answeredMs: answeredAt, isCutOff: true };
    return this.#add({ kind: RequestMethod.put, ...request }, none);
  }

  /** What a machine had is gone now. */
  lose(machine: number): void {
    this.lossesMs[machine].push(this.#moment++);
  }

  /** So little of what a machine had is gone that nobody notices. */
  slip(machine: number): void {
    this.lossesMs[machine].push(this.#moment);
    this.slipsMs[machine].push(this.#moment++);
  }

  get history(): History {
    return {
      observations: this.observations,
      scans: this.scans,
      lossesMs: this.lossesMs,
      slipsMs: this.slipsMs,
    };
  }

  #add(request: Partial<PlannedRequest>, seen: Partial<Observation>): Observation {
    const calledAt = this.#moment++;
    const answeredAt = this.#moment++;
    const observation: Observation = {
      request: plannedRequest(this.observations.length, request),
      coordinator: 'n1',
      calledAt,
      calledMs: calledAt,
      answeredAt,
      answeredMs: answeredAt,
      frozenMs: 0,
      answers: 1,
      outcome: Outcome.ok,
      reason: '',
      timestamp: 0,
      writer: 1,
      livesMs: 0,
      ownLagMs: 0,
      readId: -1,
      sent: null,
      verdict: 'met',
      explanation: null,
      isCutOff: false,
      fault: '',
      ...seen,
    };
    this.observations.push(observation);
    return observation;
  }
}

/** A scan of everything on machine n1, from one moment on to the next; null: it has failed. */
export function scanOf(
  entries: readonly ScannedEntry[] | null,
  { calledAt = 1_000, request = {} }: { calledAt?: number; request?: Partial<PlannedRequest> } = {},
): ScanObservation {
  return {
    request: plannedRequest(900, { kind: RequestMethod.scan, key: 'a', ...request }),
    machine: 'n1',
    node: 0,
    calledAt,
    calledMs: calledAt,
    ownLagMs: 0,
    answeredAt: calledAt + 1,
    answeredMs: calledAt + 1,
    entries,
    isCutOff: false,
  };
}

const NO_RECORD: StoredRecord = { timestamp: 0, writer: 1, from: 3, isTombstone: false, expiryMs: 0 };

/** The disks of machines n1, n2 and so on: what each has of key `k`. */
export function disksWith(...records: readonly (Partial<StoredRecord> | null)[]): FinalState[] {
  return records.map((record, index) => ({
    machine: `n${index + 1}`,
    isWhole: true,
    fault: '',
    records: new Map(record === null ? [] : [['k', { ...NO_RECORD, ...record }]]),
  }));
}

function plannedRequest(id: number, request: Partial<PlannedRequest>): PlannedRequest {
  return {
    id,
    atMs: id,
    kind: RequestMethod.get,
    node: 0,
    key: 'k',
    endKey: null,
    paddingBytes: 0,
    ack: 2,
    from: 3,
    isLinearizable: false,
    repairsLater: false,
    condition: PlannedCondition.none,
    ttlMs: 0,
    isExplained: false,
    ...request,
  };
}
