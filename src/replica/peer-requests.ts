import { found, type ReplySink } from '../reply.ts';
import type { BulkSource } from './bootstrap/bulk-source.ts';
import type { Replica } from './replica.ts';

/** Answers the messages of rounds. */
interface RoundServer {
  serve(body: Uint8Array, timeoutMs: number, sink: ReplySink, token: number): void;
}

/** Remembers what other nodes' replicas missed. */
interface HintKeeper {
  remember(nodeId: string, page: Uint8Array, sink: ReplySink, token: number): void;
}

/** What the other nodes ask of this node's replica: the RPC server's handler. */
export class PeerRequests {
  readonly #replica: Replica;
  readonly #rounds: RoundServer;
  readonly #bulkSource: Pick<BulkSource, 'serve'>;
  readonly #readClock: () => Uint8Array;
  readonly #hints: () => HintKeeper;
  #received = 0;

  /** @param readClock returns the record with this node's times */
  constructor(
    replica: Replica,
    rounds: RoundServer,
    bulkSource: Pick<BulkSource, 'serve'>,
    readClock: () => Uint8Array,
    hints: () => HintKeeper,
  ) {
    this.#replica = replica;
    this.#rounds = rounds;
    this.#bulkSource = bulkSource;
    this.#readClock = readClock;
    this.#hints = hints;
  }

  /** How many requests of clients have come by way of peers since the start. */
  get received(): number {
    return this.#received;
  }

  read(key: Uint8Array, _timeoutMs: number, sink: ReplySink, token: number): void {
    this.#received++;
    this.#replica.read(key, sink, token);
  }

  write(key: Uint8Array, record: Uint8Array, sink: ReplySink, token: number, timeoutMs: number): void {
    this.#received++;
    this.#replica.writeFromPeer(key, record, sink, token, timeoutMs);
  }

  repairWrite(key: Uint8Array, record: Uint8Array, sink: ReplySink, token: number, timeoutMs: number): void {
    this.#replica.writeFromPeer(key, record, sink, token, timeoutMs);
  }

  readVersion(key: Uint8Array, _timeoutMs: number, sink: ReplySink, token: number): void {
    this.#received++;
    this.#replica.readVersion(key, sink, token);
  }

  antiEntropy(body: Uint8Array, timeoutMs: number, sink: ReplySink, token: number): void {
    this.#rounds.serve(body, timeoutMs, sink, token);
  }

  bulkPage(request: Uint8Array, sink: ReplySink, token: number): void {
    this.#bulkSource.serve(request, sink, token);
  }

  hint(nodeId: Uint8Array, page: Uint8Array, sink: ReplySink, token: number): void {
    this.#hints().remember(Buffer.from(nodeId).toString(), page, sink, token);
  }

  clock(sink: ReplySink, token: number): void {
    sink.onReply(token, found(this.#readClock()));
  }
}
