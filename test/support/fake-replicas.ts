/** Replicas that answer what a test tells them to, when it tells them: every question waits in `asked`. */
import type { ClusterView } from '../../src/cluster/cluster-view.ts';
import type { EncodedWrite, ReplicaSet } from '../../src/coordinator/replica-access.ts';
import type { ReplicaReply, ReplySink } from '../../src/reply.ts';

export interface Question {
  readonly node: number;
  readonly position: number;
  readonly key: Uint8Array;
  /** Null: a read. */
  readonly record: Uint8Array | null;
  /** A read of the version alone. */
  readonly isOfVersion: boolean;
  readonly timeoutMs: number;
  reply(reply: ReplicaReply): void;
}

export class FakeReplicas implements ReplicaSet {
  readonly view: ClusterView;
  readonly asked: Question[] = [];
  readonly #onQuestion: (question: Question) => void;

  /** @param onQuestion may answer before the call that asks returns */
  constructor(view: ClusterView, onQuestion: (question: Question) => void = () => undefined) {
    this.view = view;
    this.#onQuestion = onQuestion;
  }

  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    this.#ask(node, key, null, timeoutMs, sink, position);
  }

  readVersion(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    this.#ask(node, key, null, timeoutMs, sink, position, true);
  }

  write(listOffset: number, count: number, write: EncodedWrite, sink: ReplySink): void {
    const { key, record, timeoutMs } = write;
    const { lists } = this.view.placement;
    for (let i = 0; i < count; i++) this.#ask(lists[listOffset + i], key, record, timeoutMs, sink, i);
  }

  #ask(
    node: number,
    key: Uint8Array,
    record: Uint8Array | null,
    timeoutMs: number,
    sink: ReplySink,
    position: number,
    isOfVersion = false,
  ): void {
    const reply = (said: ReplicaReply): void => sink.onReply(position, said);
    const question = { node, position, key, record, isOfVersion, timeoutMs, reply };
    this.asked.push(question);
    this.#onQuestion(question);
  }
}
