/**
 * Carries out a plan: starts the cluster, sends the requests and lets the faults happen at their times, mends everything,
 * waits until the cluster is at rest, and has the checks judge what clients saw and what the disks have.
 */
import type { TimerHandle } from '../clock.ts';
import { checkRest } from './checks/at-rest.ts';
import { checkConvergence, differenceOf, isMortal } from './checks/convergence.ts';
import { checkHandoff, missingOf } from './checks/handoff.ts';
import { type Circumstances, judge } from './checks/judge.ts';
import { checkKept } from './checks/kept.ts';
import { checkScanAtRest } from './checks/scans.ts';
import { checkSettled } from './checks/settled.ts';
import { Coverage } from './coverage.ts';
import type { FinalState, StoredRecord, Violation } from './history.ts';
import { type Plan, type PlannedFault, RequestMethod } from './plan/plan.ts';
import { NO_TRACE, type Trace } from './trace.ts';
import { runTurns } from './turns.ts';
import { Clients } from './world/clients.ts';
import { SimulatedCluster } from './world/cluster.ts';
import { type EndFault, FAULTS } from './world/faults.ts';
import { finalStateOf } from './world/final-state.ts';
import { hintsLost, restOf } from './world/rest.ts';

/** A cluster that has not come up by then never will. */
const START_MS = 5_000;
/** After this everything that was under way when the faults ended has been answered or given up. */
const REST_MS = 2_000;
/** Between two looks at whether something has come to pass. */
const LOOK_MS = 50;
/** After this hints have been delivered, whatever kept them back. */
const HANDOFF_MS = 10_000;
/** After this all owners are equal. */
const CONVERGE_MS = 20_000;
/** When no slot is settled any more, purges have run after this. */
const PURGE_MS = 3_300;
const LOOK_AT_DISKS_MS = 250;
/** How often owners compare what they hold once everything is mended. */
const REPAIR_MS = 1_200;
/** More turns than this without time going on: something calls itself back for ever. */
const MAX_TURNS_AT_ONE_TIME = 1_000_000;

interface RunFigures {
  readonly requests: number;
  readonly faults: number;
  readonly turns: number;
  readonly simulatedMs: number;
  /** How long after everything was mended all owners were seen to be equal. */
  readonly convergedMs: number;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly coverage: Coverage;
  readonly figures: RunFigures;
}

export async function runPlan(plan: Plan, trace: Trace = NO_TRACE): Promise<RunResult> {
  const run = new Run(plan, trace);
  return run.carryOut();
}

class Run {
  readonly #plan: Plan;
  readonly #trace: Trace;
  readonly #cluster: SimulatedCluster;
  readonly #clients: Clients;
  readonly #coverage = new Coverage();
  /** What ends the faults that hold now. */
  readonly #holding = new Map<PlannedFault, EndFault>();
  readonly #keys: ReadonlySet<string>;
  /** What has owners compare what they hold, again and again. */
  readonly #rounds: TimerHandle[] = [];
  #turns = 0;
  #faults = 0;

  constructor(plan: Plan, trace: Trace) {
    this.#plan = plan;
    this.#trace = trace;
    this.#keys = new Set(
      plan.requests.filter(({ kind }) => kind !== RequestMethod.scan).map(({ key }) => key),
    );
    const say = (who: string, what: string): void => trace.say(this.#cluster.time.monotonicMs(), who, what);
    this.#cluster = new SimulatedCluster(plan.cluster, plan.seed, say);
    this.#clients = new Clients(this.#cluster, say);
  }

  async carryOut(): Promise<RunResult> {
    const { seed } = this.#plan;
    await this.#begin();
    await this.#passTo(this.#nowMs + this.#plan.durationMs);
    this.#mend();
    await this.#untilAllServe();
    // A node that was about to start when everything was mended may have met a disk that was not mended yet.
    if (this.#cluster.restartFailed()) await this.#untilAllServe();
    const proved = await this.#checkSettled();
    const handedOff = await this.#checkHandoff();
    // The same as `--anti-entropy-interval`, for the slots that have keys alone. Where there is one, it has to do.
    if (this.#plan.cluster.antiEntropyIntervalMs === 0) this.#repairEvery(REPAIR_MS);
    let mendedMs = this.#nowMs;
    await this.#passTo(mendedMs + REST_MS);
    let finals = await this.#finalStates();
    const cannotTell = finals.filter(({ records }) => records === null).map(({ machine }) => machine);
    if (this.#cluster.emptyDamaged(new Set(cannotTell))) {
      await this.#untilAllServe();
      mendedMs = this.#nowMs;
      finals = await this.#finalStates();
    }
    for (
      ;
      this.#differenceOf(finals) !== '' && this.#nowMs < mendedMs + CONVERGE_MS;
      finals = await this.#finalStates()
    )
      await this.#passTo(this.#nowMs + LOOK_AT_DISKS_MS);
    const convergedMs = this.#nowMs - mendedMs;
    const { finals: purged, violations: taken } = await this.#purge(finals);
    finals = purged;
    const { observations, scans } = this.#clients;
    this.#clients.noteCutOff();
    this.#coverage.addRequests(observations);
    this.#coverage.addRequests(scans);
    const lossesMs = this.#cluster.machines.map((machine) => machine.lossesMs);
    const slipsMs = this.#cluster.machines.map((machine) => machine.slipsMs);
    const violations = [
      ...judge({ observations, scans, lossesMs, slipsMs }, finals, this.#circumstances()),
      ...proved,
      ...handedOff,
      ...taken,
      ...checkRest(restOf(this.#cluster)),
      ...checkConvergence(this.#differenceOf(finals), CONVERGE_MS),
      ...(await this.#checkScansAtRest(finals)),
    ];
    for (const { check, sentence } of violations) this.#say('', `VIOLATION ${check}: ${sentence}`);
    return {
      seed,
      violations,
      coverage: this.#coverage,
      figures: {
        requests: observations.length + scans.length,
        faults: this.#faults,
        turns: this.#turns,
        simulatedMs: this.#nowMs,
        convergedMs,
      },
    };
  }

  get #nowMs(): number {
    return this.#cluster.time.monotonicMs();
  }

  #say(who: string, what: string): void {
    this.#trace.say(this.#nowMs, who, what);
  }

  async #begin(): Promise<void> {
    const { cluster, faults, repairEveryMs, requests } = this.#plan;
    this.#say(
      '',
      `seed ${this.#plan.seed}: ${cluster.nodes} nodes, ${cluster.replication}, ${cluster.placement}`,
    );
    this.#cluster.start();
    await this.#untilAllServe();
    const { time } = this.#cluster;
    for (const request of requests) time.after(request.atMs, () => this.#clients.send(request));
    if (repairEveryMs > 0) this.#repairEvery(repairEveryMs);
    for (const fault of faults) time.after(fault.atMs, () => this.#beginFault(fault));
  }

  async #untilAllServe(): Promise<void> {
    const { machines } = this.#cluster;
    const endMs = this.#nowMs + START_MS;
    while (machines.some(({ serving }) => serving === null) && this.#nowMs < endMs)
      await this.#passTo(this.#nowMs + LOOK_MS);
  }

  #beginFault(fault: PlannedFault): void {
    const { machines, time } = this.#cluster;
    const machine = machines[fault.node % machines.length];
    this.#say(machine.id, `fault ${fault.id}, ${fault.kind}, for ${fault.durationMs} ms`);
    const end = FAULTS[fault.kind](this.#cluster, machine, fault);
    if (end === null) {
      this.#say(machine.id, `fault ${fault.id} meets nothing`);
      return;
    }
    this.#faults++;
    this.#holding.set(fault, end);
    this.#coverage.beginFault(fault, this.#nowMs);
    time.after(fault.durationMs, () => this.#endFault(fault));
  }

  #endFault(fault: PlannedFault): void {
    const end = this.#holding.get(fault);
    if (end === undefined) return;
    this.#holding.delete(fault);
    this.#say('', `fault ${fault.id}, ${fault.kind}, ends`);
    this.#coverage.endFault(fault, this.#nowMs);
    end();
  }

  #mend(): void {
    this.#say('', 'everything is mended');
    for (const fault of [...this.#holding.keys()]) this.#endFault(fault);
    this.#cluster.start();
    this.#cluster.restartFailed();
  }

  /** Before owners are compared once more. Of a folder that has lost something nothing is settled. */
  async #checkSettled(): Promise<Violation[]> {
    if (this.#cluster.hasLost) return [];
    const settledAt = this.#cluster.settledAt(this.#keys);
    return checkSettled(await this.#finalStates(), settledAt, this.#cluster.positionOf);
  }

  /** Where nothing has taken hints away. */
  async #checkHandoff(): Promise<Violation[]> {
    const { machines, positionOf } = this.#cluster;
    const { observations } = this.#clients;
    if (machines.some(({ starts }) => starts > 1)) return [];
    const endMs = this.#nowMs + HANDOFF_MS;
    await this.#passTo(this.#nowMs + REST_MS);
    for (;;) {
      const missing = missingOf(observations, await this.#finalStates(), positionOf);
      // Once more: a node that was stopping by itself when everything was mended has ended only since then.
      if (machines.some((machine) => machine.starts > 1 || hintsLost(machine) > 0)) return [];
      if (missing === '' || this.#nowMs >= endMs) return checkHandoff(missing, HANDOFF_MS);
      await this.#passTo(this.#nowMs + LOOK_AT_DISKS_MS);
    }
  }

  /**
   * Where there is something that may be purged: lets purges run, with no rounds that would bring back what they take. A
   * schedule's rounds do not end.
   * @returns what the machines have then, and what is missing
   */
  async #purge(
    before: readonly FinalState[],
  ): Promise<{ readonly finals: readonly FinalState[]; readonly violations: readonly Violation[] }> {
    const marks = this.#cluster.settledAt(this.#keys);
    const mayGo = ([key, record]: [string, StoredRecord]): boolean =>
      isMortal(record) && record.timestamp <= (marks.get(key) ?? 0);
    const isDue = before.some(({ records }) => records?.entries().some(mayGo));
    if (!isDue || this.#plan.cluster.antiEntropyIntervalMs > 0) return { finals: before, violations: [] };
    for (const timer of this.#rounds) timer.cancel();
    await this.#passTo(this.#nowMs + PURGE_MS);
    const finals = await this.#finalStates();
    const { driftMs, time } = this.#cluster;
    const settledAt = this.#cluster.settledAt(this.#keys);
    return { finals, violations: checkKept(before, finals, settledAt, time.nowMs() + driftMs) };
  }

  /** Of nodes that can tell what they have. */
  async #checkScansAtRest(finals: readonly FinalState[]): Promise<Violation[]> {
    const { driftMs, machines, startMs } = this.#cluster;
    const scans = machines.map((machine) => this.#clients.scanWhole(machine));
    const endMs = this.#nowMs + REST_MS;
    while (scans.some(({ answeredMs }) => answeredMs > this.#nowMs) && this.#nowMs < endMs)
      await this.#passTo(this.#nowMs + LOOK_MS);
    return finals.flatMap(({ records }, node) =>
      records === null ? [] : checkScanAtRest(scans[node], records, { driftMs, startMs }),
    );
  }

  #repairEvery(periodMs: number): void {
    this.#rounds.push(this.#cluster.time.every(periodMs, () => this.#cluster.repair(this.#keys)));
  }

  #circumstances(): Circumstances {
    const { driftMs, positionOf, startMs } = this.#cluster;
    const { requestTimeoutMs } = this.#plan.cluster;
    const settledAt = this.#cluster.settledAt(this.#keys);
    return { driftMs, positionOf, requestTimeoutMs, settledAt, startMs };
  }

  #differenceOf(finals: readonly FinalState[]): string {
    return differenceOf(finals, this.#cluster.settledAt(this.#keys), this.#cluster.positionOf);
  }

  async #finalStates(): Promise<readonly FinalState[]> {
    let finals: readonly FinalState[] | null = null;
    Promise.all(this.#cluster.machines.map(finalStateOf)).then((states) => {
      finals = states;
    });
    const endMs = this.#nowMs + REST_MS;
    while (finals === null && this.#nowMs < endMs) await this.#passTo(this.#nowMs + LOOK_MS);
    return finals ?? [];
  }

  /** Lets time go on to `endMs`, with all that happens until then. */
  #passTo(endMs: number): Promise<void> {
    const { time } = this.#cluster;
    let turns = 0;
    let turnMs = this.#nowMs;
    return runTurns(() => {
      this.#turns++;
      const isMore = time.endTurn() || time.step(endMs);
      if (this.#nowMs !== turnMs) {
        turnMs = this.#nowMs;
        turns = 0;
      } else if (++turns > MAX_TURNS_AT_ONE_TIME) {
        throw new Error(`Seed ${this.#plan.seed}: time stands still at ${turnMs} ms`);
      }
      return isMore;
    });
  }
}
