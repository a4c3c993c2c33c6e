/**
 * A machine of the simulated cluster: a disk and a clock that outlive its processes, and a real node as its process. It
 * may be killed, lose power, freeze and come back; its folder may be emptied or put back to an older copy.
 */
import { MemoryFileSystem, type Survival } from '../../../native-free-lsm/simulation/index.ts';
import { type Random, seededRandom } from '../../clock.ts';
import type { Topology } from '../../cluster/topology.ts';
import type { NodeSettings } from '../../config.ts';
import { errorMessage } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { engineOpener } from '../../node/data-folder.ts';
import { type RunningNode, startNode } from '../../node/node.ts';
import type { NodeOptions } from '../../node/options.ts';
import { declareWhole, ENGINE_FOLDER } from '../../replica/identity.ts';
import type { StorageEngine } from '../../replica/storage-engine.ts';
import type { FakeClock } from '../fake-clock.ts';
import type { MemoryNetwork } from '../memory-network.ts';
import { executorOver } from './disk-executor.ts';
import { DiskFaults } from './disk-faults.ts';
import { MachineClock, ProcessClock } from './machine-clock.ts';
import { SCANNING_DOOR } from './scanning-door.ts';

const DATA_FOLDER = '/data';
const CLUSTER_SECRET = 'the secret of a cluster that is simulated';
/** Who looks after the machines starts a node that did not start again after so long. */
const RESTART_MS = 300;
/** An older copy is not noticed when it misses only the last second or two of writes: README says so. */
const UNNOTICED_MS = 2_000;

/** What all machines of a cluster have in common. */
interface Surroundings {
  readonly time: FakeClock;
  readonly network: MemoryNetwork;
  readonly topology: Topology;
  readonly settings: NodeSettings;
  readonly seed: number;
  /** Is told what happens, for the trace. */
  readonly say: (machine: string, what: string) => void;
}

/** The part of `GET /v0/status` that says what a node's own time is. */
interface ClockFigures {
  readonly state: string;
  readonly ownTimeAheadMs: number;
}

/** One process of a machine. */
export class Process {
  readonly clock: ProcessClock;
  /** Null until it serves. */
  node: RunningNode | null = null;
  engine: StorageEngine | null = null;
  isDraining = false;

  constructor(clock: ProcessClock) {
    this.clock = clock;
  }
}

export class Machine {
  readonly id: string;
  readonly clock: MachineClock;
  readonly disk = new DiskFaults();
  fs = new MemoryFileSystem();
  /** Null: it is down. */
  process: Process | null = null;
  /** Whether somebody sees to it that it runs. */
  isWanted = false;
  isOff = false;
  /** When what had been acknowledged was taken from its disk, of the simulation's time. */
  readonly lossesMs: number[] = [];
  /** Of each process it has had, up to which timestamp each slot is settled: what was purged by it stays away. */
  readonly watermarks: Float64Array[] = [];
  /** Those of them that are so small that nobody may have noticed. */
  readonly slipsMs: number[] = [];
  /** Why its node did not start at last. */
  startFault: string | null = null;
  readonly #surroundings: Surroundings;
  readonly #random: Random;
  #processes = 0;

  constructor(index: number, surroundings: Surroundings) {
    this.id = surroundings.topology.nodes[index].id;
    this.#surroundings = surroundings;
    this.clock = new MachineClock(surroundings.time);
    this.#random = seededRandom(surroundings.seed * 64 + index);
  }

  /** The node that takes clients; null: none does. */
  get serving(): RunningNode | null {
    const { process } = this;
    return process === null || process.isDraining ? null : process.node;
  }

  /** As its status says it; empty while none serves. */
  get state(): string {
    return this.serving?.state ?? '';
  }

  /**
   * How far the own time of its node, which may be draining, is behind the right time; Infinity while it is not known,
   * as before the clocks of others are measured.
   */
  get ownLagMs(): number {
    const node = this.process?.node ?? null;
    if (node === null) return Number.POSITIVE_INFINITY;
    const { clock } = node.services.status.status() as { clock: ClockFigures };
    return clock.state === 'unmeasured'
      ? Number.POSITIVE_INFINITY
      : -(clock.ownTimeAheadMs + this.clock.offsetMs);
  }

  /** How many processes it has had. */
  get starts(): number {
    return this.#processes;
  }

  /** Turns the machine on, where it is off, and starts its node; until `stop`s it is started again when it fails to. */
  start(): void {
    this.isWanted = true;
    if (this.isOff) {
      this.isOff = false;
      this.#surroundings.network.turnOn(this.id);
    }
    if (this.process === null) this.#begin();
  }

  /** kill -9: what the system was given is still written. */
  kill(): void {
    if (!this.#end('is killed')) return;
    this.#surroundings.network.endProcess(this.id);
    this.fs = this.fs.kill();
  }

  /** The power fails: of what was not synced any part may be left. */
  losePower(survival: Survival): void {
    if (this.isOff) return;
    this.#end('loses its power');
    this.isOff = true;
    this.isWanted = false;
    this.#surroundings.network.turnOff(this.id);
    this.fs = this.fs.crash({ bytes: survival, names: survival, random: this.#random });
  }

  /** Stops its node as an operator does. It is down once that is done. */
  async drain(): Promise<void> {
    const { process } = this;
    this.isWanted = false;
    if (process?.node == null || process.isDraining) return;
    process.isDraining = true;
    this.#surroundings.say(this.id, 'is stopped');
    try {
      await process.node.drain();
    } catch (error) {
      this.#surroundings.say(this.id, `stopped with a fault: ${errorMessage(error)}`);
    }
    this.#exit(process);
  }

  freeze(): void {
    if (this.process === null || this.process.clock.isFrozen) return;
    this.#surroundings.say(this.id, 'is frozen');
    this.process.clock.freeze();
    this.#surroundings.network.freeze(this.id);
  }

  thaw(): void {
    if (this.process?.clock.isFrozen !== true) return;
    this.#surroundings.say(this.id, 'runs again');
    this.process.clock.thaw();
    this.#surroundings.network.thaw(this.id);
  }

  /** As when its disk was replaced. It must be down. */
  emptyFolder(): void {
    this.fs = new MemoryFileSystem();
    this.#lose('its folder is emptied');
  }

  /** Starts a node again that says that it takes no writes until then. False: it does not say so. */
  restartFailed(): boolean {
    if (this.state !== 'failed') return false;
    this.kill();
    this.start();
    return true;
  }

  /**
   * As an operator does who believes that nothing is missing from its folder: the node is stopped meanwhile. From then on
   * nobody notices what is.
   */
  async declareWhole(): Promise<void> {
    this.isWanted = false;
    this.kill();
    const stopped = this.fs;
    try {
      const lock = (): Disposable => stopped.lockSync(`${DATA_FOLDER}/${ENGINE_FOLDER}/LOCK`);
      await declareWhole(stopped, DATA_FOLDER, this.clock.nowMs(), lock);
      this.slipsMs.push(...this.lossesMs);
      this.#surroundings.say(this.id, 'its folder is declared whole');
    } catch (error) {
      this.#surroundings.say(this.id, `its folder is not declared whole: ${errorMessage(error)}`);
    }
    if (!this.isOff) this.start();
  }

  /** As a snapshot of its volume; it may run. */
  copyFolder(): MemoryFileSystem {
    return this.fs.kill();
  }

  /** It must be down. */
  putBack(copy: MemoryFileSystem, ageMs: number): void {
    this.fs = copy.kill();
    if (ageMs <= UNNOTICED_MS) this.slipsMs.push(this.#surroundings.time.monotonicMs());
    this.#lose('its folder is put back to an older copy');
  }

  /** Its disk has as much room as `disk` says. */
  applyRoom(): void {
    this.fs.capacityBytes = this.fs.usedBytes + this.disk.leftBytes;
  }

  /** Changes a byte of one of its files. It must be down. */
  corrupt(choice: Random): void {
    const files = filesBelow(this.fs, DATA_FOLDER).filter((path) => this.fs.sizeSync(path) > 0);
    if (files.length === 0) return;
    const path = files[Math.floor(choice() * files.length)];
    const bytes = this.fs.contents(path);
    const at = Math.floor(choice() * bytes.length);
    bytes[at] ^= 1 + Math.floor(choice() * 255);
    this.fs.place(path, bytes);
    this.#lose(`byte ${at} of ${path} is changed`);
  }

  #lose(what: string): void {
    this.lossesMs.push(this.#surroundings.time.monotonicMs());
    this.#surroundings.say(this.id, what);
  }

  #end(what: string): boolean {
    const { process } = this;
    if (process === null) return false;
    this.#surroundings.say(this.id, what);
    process.clock.end();
    this.process = null;
    return true;
  }

  #begin(): void {
    const { time, say } = this.#surroundings;
    const process = new Process(new ProcessClock(time, this.clock));
    this.process = process;
    this.fs.onCall = this.disk.hook;
    this.applyRoom();
    say(this.id, 'starts');
    startNode(this.#options(process)).then(
      (node) => {
        if (process.clock.isOver) return;
        process.node = node;
        this.startFault = null;
        say(this.id, 'serves');
      },
      (error: unknown) => {
        if (process.clock.isOver) return;
        this.startFault = errorMessage(error);
        say(this.id, `does not start: ${this.startFault}`);
        this.#exit(process);
      },
    );
  }

  /** A process ends by itself. Whoever looks after the machine starts another where one is wanted. */
  #exit(process: Process): void {
    if (this.process !== process) return;
    process.clock.end();
    this.#surroundings.network.endProcess(this.id);
    this.process = null;
    this.fs = this.fs.kill();
    this.#surroundings.time.after(RESTART_MS, () => {
      if (this.isWanted && this.process === null) this.#begin();
    });
  }

  #options(process: Process): NodeOptions {
    const { network, say, seed, settings, topology } = this.#surroundings;
    const { clock } = process;
    const random = seededRandom(
      (seed * 64 + topology.nodes.findIndex(({ id }) => id === this.id)) * 64 + ++this.#processes,
    );
    const options: NodeOptions = {
      nodeId: this.id,
      clusterId: topology.cluster,
      topology,
      clusterSecret: CLUSTER_SECRET,
      dataDirectory: DATA_FOLDER,
      settings,
      doors: [SCANNING_DOOR],
      onFault: () => this.#exit(process),
      log: this.#log(process, say),
      clock,
      everyTurn: () => ({ cancel: () => undefined }),
      random,
      drawBytes: (count) => Buffer.from(Uint8Array.from({ length: count }, () => random() * 256)),
      fs: this.fs,
      executor: (context) => executorOver(this.disk, context),
      transport: network.transport(this.id),
    };
    const open = engineOpener(options, clock, this.fs);
    return {
      ...options,
      openStorage: async (...folder) => {
        const [, , , watermarks] = folder;
        this.watermarks.push(new Float64Array(watermarks));
        process.engine = await open(...folder);
        return process.engine;
      },
    };
  }

  #log(process: Process, say: Surroundings['say']): Log {
    const log = (level: string) => (message: string) => {
      if (!process.clock.isOver) say(this.id, `${level}: ${message}`);
    };
    return { info: log('info'), warn: log('warn'), error: log('error') };
  }
}

function filesBelow(fs: MemoryFileSystem, directory: string): string[] {
  if (!fs.existsSync(directory)) return [];
  return fs
    .listSync(directory)
    .sort()
    .flatMap((name) => {
      const path = `${directory}/${name}`;
      return fs.statusSync(path).kind === 'directory' ? filesBelow(fs, path) : [path];
    });
}
