import { recordFault } from '../../native-free-lsm/index.ts';
import { FailureCode } from '../failure.ts';
import { failed, type ReplicaReply, type ReplySink } from '../reply.ts';
import { RequestKind } from '../settlement.ts';
import type { ReplicaSet } from './replica-access.ts';
import { Decision, ResponseAccumulator } from './response-accumulator.ts';

/** The write that asks. */
export interface VersionAsker {
  /** `ack` replicas have said which version they have: `freshest`. */
  onVersions(): void;
  /** So many never will. */
  onTooFewVersions(): void;
}

/** Asks all replicas of a key at once which version they have. It has an answer when `ack` of them have said so. */
export class VersionQuery implements ReplySink {
  readonly #asker: VersionAsker;
  readonly #said: ResponseAccumulator;
  readonly #ack: number;
  readonly #from: number;
  #reasons: string[] | null = null;
  #isAsking = false;
  #isTold = false;

  constructor(asker: VersionAsker, ack: number, from: number) {
    this.#asker = asker;
    this.#said = new ResponseAccumulator(RequestKind.read, ack, from);
    this.#ack = ack;
    this.#from = from;
  }

  get isAnswered(): boolean {
    return this.#said.decision === Decision.succeeded;
  }

  /** The header of the newest record; null: nobody has one. It is kept until the asker has been told. */
  get freshest(): Uint8Array | null {
    return this.#said.freshest;
  }

  /** The asker may be told before this returns, and by then everybody is asked. */
  ask(replicas: ReplicaSet, listOffset: number, key: Uint8Array, timeoutMs: number): void {
    const { lists } = replicas.view.placement;
    this.#said.askAll();
    this.#isAsking = true;
    for (let position = 0; position < this.#from; position++)
      replicas.readVersion(lists[listOffset + position], key, timeoutMs, this, position);
    this.#isAsking = false;
    this.#tell();
  }

  onReply(position: number, reply: ReplicaReply): void {
    const { record } = reply;
    const fault = record === null ? undefined : recordFault(record, 0, record.length);
    const sound =
      fault === undefined ? reply : failed(FailureCode.protocol, `sent a version that is none: ${fault}`);
    if (sound.code !== FailureCode.none) {
      this.#reasons ??= [];
      this.#reasons[position] ??= sound.reason === '' ? 'failed' : sound.reason;
    }
    this.#said.add(position, sound, 0);
    if (!this.#isAsking) this.#tell();
  }

  /**
   * Why there is no answer, for the client.
   * @param silence what is said of replicas that have not answered
   */
  shortfall(nodeIdOf: (position: number) => string, silence: string): string {
    const others: string[] = [];
    for (let position = 0; position < this.#from; position++) {
      if (this.#said.counts(position)) continue;
      const reason = this.#said.hasAnswered(position) ? this.#reasons?.[position] : silence;
      others.push(`${nodeIdOf(position)}: ${reason}`);
    }
    return `${this.#ack} of ${this.#from} replicas had to say which version they have before the write, ${this.#said.successes} did (${others.join('; ')}). Nothing was written.`;
  }

  #tell(): void {
    if (this.#isTold || this.#said.decision === Decision.waiting) return;
    this.#isTold = true;
    if (this.#said.decision === Decision.succeeded) this.#asker.onVersions();
    else this.#asker.onTooFewVersions();
    // It may be a view of much more that was received with it.
    this.#said.dropRecord();
  }
}
