/** Writes every key of a load once, so that reads find them. */
import type { Clock } from '../../clock.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { LoadConnection, type LoadConnectionOwner } from './load-connection.ts';
import { NoAnswer } from './no-answer.ts';
import { LoadOperation } from './operation-mix.ts';
import type { LoadPlan } from './plan.ts';
import { RequestWriter } from './request-writer.ts';

/** A node that has too much to do is asked again after... */
const PATIENCE_MS = 100;
/** When none was taken for as long, it is given up. */
const GIVE_UP_MS = 10_000;

export class Preparation implements LoadConnectionOwner {
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #writer: RequestWriter;
  readonly #connections: LoadConnection[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #next = 0;
  #written = 0;
  #lastMs = 0;

  constructor(plan: LoadPlan, clock: Clock, random: () => number) {
    this.#plan = plan;
    this.#clock = clock;
    this.#writer = new RequestWriter(plan, random);
  }

  get written(): number {
    return this.#written;
  }

  /** @throws CommandError when the nodes do not take a key after many tries; the signal's reason */
  async run(signal: AbortSignal): Promise<void> {
    const { connections, keys, targets } = this.#plan;
    signal.addEventListener('abort', () => this.#ended.reject(signal.reason), { once: true });
    if (signal.aborted) this.#ended.reject(signal.reason);
    this.#lastMs = this.#clock.monotonicMs();
    try {
      for (let i = 0; i < Math.min(connections, keys); i++) {
        const target = i % targets.length;
        const connection = new LoadConnection(target, targets[target], this.#clock, this);
        this.#connections.push(connection);
        this.#writeNext(connection);
      }
      await this.#ended.promise;
    } finally {
      for (const connection of this.#connections) connection.close();
    }
  }

  onAnswer(connection: LoadConnection, status: number): void {
    if (status === 201) {
      this.#lastMs = this.#clock.monotonicMs();
      if (++this.#written === this.#plan.keys) this.#ended.resolve();
      else this.#writeNext(connection);
    } else this.#tryAgain(connection, `answered ${status}`);
  }

  onFailure(connection: LoadConnection, why: NoAnswer): void {
    this.#tryAgain(connection, why === NoAnswer.refused ? 'took no connection' : 'broke off its answer');
  }

  #writeNext(connection: LoadConnection): void {
    if (this.#next === this.#plan.keys) return;
    connection.key = this.#next++;
    this.#write(connection);
  }

  #write(connection: LoadConnection): void {
    connection.send(this.#writer.write(LoadOperation.put, connection.target, connection.key));
  }

  #tryAgain(connection: LoadConnection, what: string): void {
    if (this.#clock.monotonicMs() - this.#lastMs < GIVE_UP_MS) {
      this.#clock.after(PATIENCE_MS, () => this.#write(connection));
      return;
    }
    const { host, port } = this.#plan.targets[connection.target];
    const key = this.#writer.keyName(connection.key);
    this.#ended.reject(
      new CommandError(
        ExitCode.unreachable,
        `${host}:${port} ${what} when ${key} was to be written, and no key was taken for ${GIVE_UP_MS / 1_000} s`,
      ),
    );
  }
}
