import { compareVersions, recordTimestamp, recordWriter } from '../../native-free-lsm/index.ts';
import { lifeOf } from '../expiry.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import { SETTLED_WRITER } from '../reply.ts';
import { isConditionMet, type RequestOptions } from '../request-options.ts';
import { ReplicaState } from '../settlement.ts';
import type { OperationContext } from './operation.ts';
import type { ReplicaSet } from './replica-access.ts';
import { NewerVersion } from './response-accumulator.ts';
import { type VersionAsker, VersionQuery } from './version-query.ts';
import { WriteOperation } from './write-operation.ts';

const TOO_FAR_AHEAD =
  "A replica holds a version too far ahead of this node's clock to win over. Nothing was written. Try again.";
const NO_VALUE_TO_MEET = 'The key has no value, and the condition asks for one: nothing was written.';
const NOT_MET = 'The value of the key is not one that the condition allows: nothing was written.';
const OVERTAKEN = 'The value of the key met the condition, but another write came before this one.';

/**
 * A PUT or DELETE that first asks `ack` replicas which version they have, and then writes.
 *
 * A linearizable write takes a timestamp above all that it was told (the register of Lynch and Shvartsman, "Robust
 * Emulation of Shared Memory Using Dynamic Quorum-Acknowledged Broadcasts", 1997). So it is later than every write that
 * was acknowledged before it began, whatever the clocks show. It is sent under this one version only. A replica that has
 * a newer one then got it from a write of the same time, which takes its place after this one: that counts as having it.
 * A second try with a later timestamp, which an ordinary write may need, would be a second write of the same value: it
 * could be seen, be overwritten, and be seen again.
 *
 * A conditional write has its condition judged by the newest version that it was told. It gives way where a replica has
 * got a newer one since: this is another write than that which met the condition. Between the question and the write
 * another one may still come, and both are told that they succeeded. Only consensus could keep this from happening.
 */
export class TwoPhaseWrite extends WriteOperation implements VersionAsker {
  readonly #versions: VersionQuery;
  #isAsked = false;

  /** @param value null: the key is deleted */
  constructor(
    context: OperationContext,
    replicas: ReplicaSet,
    key: Uint8Array,
    value: Uint8Array | null,
    options: RequestOptions,
    ack: number,
    from: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ) {
    super(context, replicas, key, value, options, ack, from, listOffset, reply, waitedMs);
    this.#versions = new VersionQuery(this, ack, from);
    this.accumulator.newerVersion = options.condition === null ? NewerVersion.counts : NewerVersion.overtakes;
  }

  protected override send(): void {
    if (this.#versions.isAnswered) super.send();
    else if (!this.#isAsked) {
      this.#isAsked = true;
      this.#versions.ask(this.replicas, this.listOffset, this.key, this.timeoutMs);
    }
  }

  onVersions(): void {
    if (this.isAnswered) return;
    const met = this.#versions.freshest;
    if (met !== null && !this.context.timestamps.follow(recordTimestamp(met, 0)))
      this.answer(Outcome.notEnoughReplicas, null, TOO_FAR_AHEAD);
    else if (this.#isRefusedBy(met)) this.#refuse(met);
    else {
      this.hasWaited = true;
      this.start();
    }
  }

  onTooFewVersions(): void {
    this.#fallShortOfVersions('no answer yet');
  }

  override expire(): void {
    if (this.#versions.isAnswered) super.expire();
    else this.#fallShortOfVersions(`no answer in ${this.context.timeoutMs} ms`);
  }

  /**
   * Of a conditional write only: too many replicas have a newer version than it was told of. Where `ack` of them have,
   * every read from now on whose quorum overlaps hears one, and what others have stored of this write is not read any more
   * (a read at the same time may have seen it). Until then it waits for the others: where one of them has stored it or
   * failed, nobody knows what will be read.
   */
  protected override overtaken(): void {
    let newer = 0;
    let timestamp = 0;
    let writer = 0;
    for (let position = 0; position < this.from; position++) {
      const [otherTimestamp, otherWriter] = [this.timestampOf(position), this.writerOf(position)];
      if (this.stateOf(position) !== ReplicaState.newer || otherWriter === SETTLED_WRITER) continue;
      newer++;
      if (compareVersions(otherTimestamp, otherWriter, timestamp, writer) <= 0) continue;
      timestamp = otherTimestamp;
      writer = otherWriter;
    }
    if (newer >= this.ack) this.answer(Outcome.conditionFailed, null, OVERTAKEN, timestamp, writer);
    else if (this.accumulator.isComplete) this.fallShort('no answer yet');
  }

  /** @param met header of the newest version that the replicas have; null: none */
  #isRefusedBy(met: Uint8Array | null): boolean {
    const { condition } = this.options;
    if (condition === null) return false;
    if (met === null || !this.#isLive(met)) return !isConditionMet(condition, 0, 0);
    return !isConditionMet(condition, recordTimestamp(met, 0), recordWriter(met, 0));
  }

  #refuse(met: Uint8Array | null): void {
    if (met === null || !this.#isLive(met)) this.answer(Outcome.conditionFailed, null, NO_VALUE_TO_MEET);
    else this.answer(Outcome.conditionFailed, null, NOT_MET, recordTimestamp(met, 0), recordWriter(met, 0));
  }

  #isLive(met: Uint8Array): boolean {
    return lifeOf(met, this.context.timestamps.nowMs()) > 0;
  }

  #fallShortOfVersions(silence: string): void {
    const sentence = this.#versions.shortfall((position) => this.nodeIdOf(position), silence);
    this.answer(Outcome.notEnoughReplicas, null, sentence);
  }
}
