/**
 * Stops the opening itself before each of its calls and opens what is left, and stops that opening too; or lets one of
 * its calls fail, and then one of the next attempt's. At the end nothing is lost or invented.
 */
import assert from 'node:assert/strict';
import { type EngineOptions, LsmError } from '../../native-free-lsm/index.ts';
import { fileSystemError, MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { seededRandom } from '../../src/clock.ts';
import { record } from './engine-calls.ts';
import { type CrashReport, promised, STOPS, stopName, stopped } from './engine-crash.ts';
import { FAILURE_CODES } from './engine-failures.ts';
import { EngineHistory } from './engine-history.ts';
import { EngineSimulation, NoBackground, TINY_OPTIONS } from './engine-simulation.ts';
import { runWorkload } from './engine-workload.ts';

const POWER_LOSS = { bytes: 'lost', names: 'lost' } as const;
/** More logs than an opening keeps as memtables. */
const MANY_LOGS = 15;

export interface RecoveryCheck {
  readonly seed: number;
  /** The length of the workload whose remains are opened. */
  readonly steps: number;
  /** How many remains are checked. */
  readonly remains: number;
  /** One in this many calls of a second opening is stopped or fails. */
  readonly every: number;
  /** The same for the first opening; 1 unless told otherwise. */
  readonly firstEvery?: number;
  readonly options?: Partial<EngineOptions>;
}

/** What a stop has left, and what must and may be found there. */
interface Remains {
  readonly disk: MemoryFileSystem;
  readonly history: EngineHistory;
  /** What must be there while only processes are killed and calls fail; and what after a power loss. */
  readonly least: number;
  readonly leastOnPowerLoss: number;
  readonly issued: number;
  readonly what: string;
}

/** What a stopped opening has left. */
interface Left {
  readonly disk: MemoryFileSystem;
  readonly powerLost: boolean;
  readonly what: string;
}

/** @throws Error that says what was lost or invented, and how it happened */
export async function checkRecovery(check: RecoveryCheck): Promise<CrashReport> {
  const options = { ...TINY_OPTIONS, ...check.options };
  const all = [...(await workloadRemains(check, options)), await manyLogs(check.seed, options)];
  let calls = 0;
  let moments = 0;
  for (const remains of all) {
    const recovery = new Recovery(check, options, remains);
    await recovery.stopEverywhere();
    await recovery.failEverywhere();
    calls += recovery.calls;
    moments += recovery.moments;
  }
  return { calls, moments };
}

class Recovery {
  calls = 0;
  moments = 0;
  readonly #check: RecoveryCheck;
  readonly #options: Partial<EngineOptions>;
  readonly #remains: Remains;
  readonly #random: () => number;

  constructor(check: RecoveryCheck, options: Partial<EngineOptions>, remains: Remains) {
    this.#check = check;
    this.#options = options;
    this.#remains = remains;
    this.#random = seededRandom(check.seed);
  }

  async stopEverywhere(): Promise<void> {
    for (const first of this.#stopsOfOpening(this.#remains.disk, this.#check.firstEvery ?? 1)) {
      for (const second of this.#stopsOfOpening(first.disk, this.#check.every)) {
        const powerLost = first.powerLost || second.powerLost;
        await this.#verify(second.disk, powerLost, `the opening ${first.what}, the next ${second.what}`);
      }
      await this.#verify(first.disk, first.powerLost, `the opening ${first.what}`);
    }
  }

  async failEverywhere(): Promise<void> {
    for (const code of FAILURE_CODES) {
      let failed = true;
      for (let failAt = 0; failed; failAt += this.#check.firstEvery ?? 1) {
        const disk = this.#remains.disk.kill();
        failed = this.#openFailing(disk, failAt, code);
        // An opening that went on without the call is killed; another process takes over what either has left.
        const second = disk.kill();
        const secondAt = Math.floor(this.#random() * (failAt + 2));
        if (this.#random() * this.#check.every < 3) this.#openFailing(second, secondAt, code);
        await this.#verify(
          second.kill(),
          false,
          `the opening had ${code} at call ${failAt}, then at ${secondAt}`,
        );
      }
    }
  }

  /** What is left when an opening of `disk`, which stays unchanged, is stopped before one in `every` of its calls. */
  #stopsOfOpening(disk: MemoryFileSystem, every: number): Left[] {
    const copy = disk.kill();
    const left: Left[] = [];
    const offset = Math.floor(this.#random() * every);
    copy.onCall = ({ index, operation, path }) => {
      this.calls++;
      if (index % every !== offset) return undefined;
      const stop = STOPS[Math.floor(this.#random() * STOPS.length)];
      const seed = this.#random() * 0x1_0000_0000;
      const what = `${stopName(stop)} before call ${index}, ${operation} ${path}`;
      left.push({ disk: stopped(copy, stop, seed), powerLost: stop !== 'kill', what });
      return undefined;
    };
    new EngineSimulation(this.#options, copy).openStore();
    return left;
  }

  /** @returns whether the call was made at all */
  #openFailing(disk: MemoryFileSystem, failAt: number, code: string): boolean {
    const first = disk.callCount;
    let made = false;
    disk.onCall = ({ index, operation, path, lengthBytes }) => {
      if (index !== first + failAt) return undefined;
      made = true;
      const error = fileSystemError(code, operation, path);
      if (operation !== 'write') throw error;
      return { doneBytes: Math.floor(this.#random() * (lengthBytes + 1)), error };
    };
    const simulation = new EngineSimulation(this.#options, disk);
    try {
      simulation.openStore();
    } catch (error) {
      assert.ok(error instanceof LsmError, `not an error of the engine: ${(error as Error).message}`);
      assert.match(error.code, /^(?:IO_ERROR|NO_SPACE|READ_ONLY)$/, error.message);
      assert.equal(disk.openDescriptors, 0, 'an opening that failed leaves nothing open');
    }
    disk.onCall = undefined;
    return made;
  }

  async #verify(disk: MemoryFileSystem, powerLost: boolean, what: string): Promise<void> {
    this.moments++;
    const { history, issued } = this.#remains;
    const least = powerLost ? this.#remains.leastOnPowerLoss : this.#remains.least;
    try {
      const simulation = new EngineSimulation(this.#options, disk);
      const store = simulation.openStore();
      const there = await simulation.settle(history.checkPrefix(store, least, issued));
      await simulation.settle(store.close());
      const lost = disk.crash({ bytes: 'lost', names: 'lost' });
      const again = new EngineSimulation(this.#options, lost);
      await again.settle(history.checkPrefix(again.openStore(), there, there));
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`${this.#remains.what}; ${what}: ${message}`, { cause: error });
    }
  }
}

async function workloadRemains(check: RecoveryCheck, options: Partial<EngineOptions>): Promise<Remains[]> {
  const { seed, steps } = check;
  const counting = new EngineSimulation(options);
  await runWorkload(counting, new EngineHistory(), { seed, steps });
  const every = Math.max(1, Math.floor(counting.fs.callCount / check.remains));
  const simulation = new EngineSimulation(options);
  const history = new EngineHistory(() => simulation.clock.monotonicMs());
  const found: Remains[] = [];
  simulation.fs.onCall = ({ index, operation, path }) => {
    if (index % every !== seed % every) return undefined;
    const stop = STOPS[(seed + found.length) % STOPS.length];
    const nowMs = simulation.clock.monotonicMs();
    found.push({
      disk: stopped(simulation.fs, stop, seed + index),
      history,
      least: promised(history, stop, options, nowMs),
      leastOnPowerLoss: promised(history, POWER_LOSS, options, nowMs),
      issued: history.issued,
      what: `${stopName(stop)} before call ${index}, ${operation} ${path}`,
    });
    return undefined;
  };
  await runWorkload(simulation, history, { seed, steps });
  return found;
}

/** A machine that stops soon after each start, so that the next start finds more logs than it has memtables for. */
async function manyLogs(seed: number, options: Partial<EngineOptions>): Promise<Remains> {
  const history = new EngineHistory();
  const random = seededRandom(seed);
  let disk = new MemoryFileSystem();
  for (let life = 0; life < MANY_LOGS; life++) {
    const simulation = new EngineSimulation(options, disk, (context) => new NoBackground(context));
    const store = simulation.openStore();
    const key = Buffer.from(`key${Math.floor(random() * 8)}`);
    await simulation.settle(history.write(store, key, record(life + 1, `value${life}`)));
    disk = disk.kill();
  }
  const { issued } = history;
  const leastOnPowerLoss = promised(history, POWER_LOSS, options, 0);
  return { disk, history, least: issued, leastOnPowerLoss, issued, what: `${MANY_LOGS} starts, each killed` };
}
