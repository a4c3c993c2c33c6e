/**
 * Looks after the node processes of one machine: it starts them, says when all serve, reports the ones that die, starts
 * them again if asked to, and ends them all. It keeps no data and takes part in no request.
 *
 * The states of a node's process are: loading (it has no configuration yet) → starting → serving → quiet → gone. When
 * all are to end, none is closed before all are quiet, which means that they have answered their last clients: until
 * then they need each other.
 */
import { Backoff } from '../../backoff.ts';
import type { Clock, Random, TimerHandle } from '../../clock.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { CLEAN_END, type NodeChild, type SpawnNode } from './child-process.ts';
import type { NodeConfig, NodeMessage, ServingNode } from './node-protocol.ts';

/**
 * Longer than a node gives its requests, shorter than all nodes have to end: a node that hangs does not keep the others
 * from closing.
 */
export const QUIET_PATIENCE_MS = 3_200;

/** A node that died stays down for up to the first delay after one failure, and for up to the longest after many in a row. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** A node that ran this long has started successfully: if it dies later, its delays begin anew. */
const STEADY_AFTER_MS = 10_000;

interface SupervisorOptions {
  readonly spawn: SpawnNode;
  readonly restart: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Takes a line for people about what happens after the start. */
  readonly report: (line: string) => void;
}

export interface SupervisedNode extends ServingNode {
  readonly nodeId: string;
  readonly pid: number;
}

interface Member {
  readonly nodeId: string;
  child: NodeChild | null;
  config: NodeConfig | null;
  state: 'loading' | 'starting' | 'serving' | 'quiet' | 'gone';
  /** The time at which it began to serve. */
  servingSinceMs: number;
  readonly backoff: Backoff;
  /** Set while the node waits to be started again. */
  timer: TimerHandle | null;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #members: readonly Member[];
  readonly #serving: SupervisedNode[] = [];
  readonly #allServe = Promise.withResolvers<readonly SupervisedNode[]>();
  readonly #allGone = Promise.withResolvers<void>();
  #phase: 'start' | 'serve' | 'end' = 'start';
  readonly #unclean = new Set<string>();

  /** Starts the processes, which load their code while the caller makes their configuration. */
  constructor(nodeIds: readonly string[], options: SupervisorOptions) {
    this.#options = options;
    this.#members = nodeIds.map((nodeId) => ({
      nodeId,
      child: null,
      config: null,
      state: 'gone',
      servingSinceMs: 0,
      backoff: new Backoff(FIRST_DELAY_MS, LONGEST_DELAY_MS, options.random),
      timer: null,
    }));
    // A failure of the start reaches `start`; without this line it would also be an unhandled rejection.
    this.#allServe.promise.catch(() => undefined);
    for (const member of this.#members) {
      this.#spawn(member);
    }
  }

  /** Resolves when no process is left and none will be started again. */
  get allGone(): Promise<void> {
    return this.#allGone.promise;
  }

  /**
   * @param configs one for each node, in the order of the ids
   * @returns when all serve, in the same order
   * @throws CommandError with the first failure of any node
   */
  start(configs: readonly NodeConfig[]): Promise<readonly SupervisedNode[]> {
    for (const [index, member] of this.#members.entries()) {
      member.config = configs[index];
      this.#sendStart(member);
    }
    return this.#allServe.promise;
  }

  /**
   * Lets every node finish what it does, and kills what is left after `patienceMs`.
   * @returns the ids of nodes that had to be killed or ended with an error
   */
  async drain(patienceMs: number): Promise<string[]> {
    this.#beginEnd();
    for (const { child, state } of this.#members) {
      if (state === 'loading') {
        // It was never told to start, so it has nothing to finish.
        child?.kill();
      } else {
        child?.send({ type: 'quiesce' });
      }
    }
    this.#closeWhenQuiet();
    const quiet = this.#options.clock.after(QUIET_PATIENCE_MS, () => this.#close());
    const deadline = this.#options.clock.after(patienceMs, () => this.kill());
    await this.allGone;
    quiet.cancel();
    deadline.cancel();
    return [...this.#unclean];
  }

  /** Ends all processes at once. Nothing acknowledged is lost by it. */
  kill(): void {
    this.#beginEnd();
    for (const member of this.#members) {
      if (member.child !== null) {
        member.child.kill();
      }
    }
  }

  #beginEnd(): void {
    this.#phase = 'end';
    for (const member of this.#members) {
      member.timer?.cancel();
      member.timer = null;
    }
    this.#allServe.reject(new CommandError(ExitCode.error, 'stopped before all nodes served'));
    this.#settleIfGone();
  }

  #spawn(member: Member): void {
    member.state = 'loading';
    member.child = this.#options.spawn(member.nodeId, {
      onMessage: (message) => this.#onMessage(member, message),
      onEnd: (how) => this.#onEnd(member, how),
    });
  }

  #sendStart(member: Member): void {
    if (member.state === 'loading' && member.config !== null) {
      member.state = 'starting';
      member.child?.send({ type: 'start', config: member.config });
    }
  }

  #onMessage(member: Member, message: NodeMessage): void {
    switch (message.type) {
      case 'ready':
        this.#onReady(member, message);
        break;
      case 'failed':
        if (this.#phase === 'start') {
          this.#allServe.reject(new CommandError(ExitCode.error, message.message));
        } else if (this.#phase === 'serve') {
          this.#options.report(`${member.nodeId} does not start: ${message.message}`);
        }
        break;
      case 'quiet':
        member.state = 'quiet';
        this.#closeWhenQuiet();
        break;
      case 'draining':
      case 'stopped':
        // The end of the process is reported elsewhere; that it began by itself is worth a line of its own.
        if (this.#phase !== 'end') {
          this.#options.report(`${member.nodeId} was told to stop and is ${message.type}`);
        }
        break;
    }
  }

  #onReady(member: Member, { httpUrl, rpcAddress, dataDirectory }: ServingNode): void {
    member.state = 'serving';
    member.servingSinceMs = this.#options.clock.monotonicMs();
    const node = { nodeId: member.nodeId, pid: member.child?.pid ?? 0, httpUrl, rpcAddress, dataDirectory };
    if (this.#phase === 'serve') {
      this.#options.report(`${node.nodeId} serves again at ${httpUrl} (pid ${node.pid})`);
      return;
    }
    this.#serving[this.#members.indexOf(member)] = node;
    if (this.#phase === 'start' && this.#members.every(({ state }) => state === 'serving')) {
      this.#phase = 'serve';
      this.#allServe.resolve(this.#serving);
    }
  }

  #onEnd(member: Member, how: string): void {
    const { clock, report, restart } = this.#options;
    const hadBegun = member.state !== 'loading';
    const servedMs = member.state === 'serving' ? clock.monotonicMs() - member.servingSinceMs : 0;
    member.state = 'gone';
    member.child = null;
    if (this.#phase === 'start') {
      const message = `${member.nodeId} ended before it served (${how})`;
      this.#allServe.reject(new CommandError(ExitCode.error, message));
    }
    if (this.#phase === 'serve') {
      if (restart) {
        if (servedMs >= STEADY_AFTER_MS) member.backoff.reset();
        const delayMs = Math.round(member.backoff.nextMs());
        report(`${member.nodeId} died (${how}) and is started again in ${delayMs} ms`);
        member.timer = clock.after(delayMs, () => this.#restart(member));
      } else {
        report(`${member.nodeId} died (${how}) and stays down: --restart would bring it back`);
      }
    }
    if (this.#phase === 'end' && hadBegun && how !== CLEAN_END) {
      this.#unclean.add(member.nodeId);
    }
    this.#closeWhenQuiet();
    this.#settleIfGone();
  }

  #closeWhenQuiet(): void {
    const isQuiet = this.#members.every(({ state }) => state === 'quiet' || state === 'gone');
    if (this.#phase === 'end' && isQuiet) this.#close();
  }

  #close(): void {
    for (const { child } of this.#members) child?.send({ type: 'drain' });
  }

  #restart(member: Member): void {
    member.timer = null;
    this.#spawn(member);
    this.#sendStart(member);
  }

  #settleIfGone(): void {
    if (this.#members.every(({ child, timer }) => child === null && timer === null)) {
      this.#allGone.resolve();
    }
  }
}
