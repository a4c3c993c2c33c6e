/**
 * Streams of bytes between nodes: TCP in a node (tcp-transport.ts), memory and a fake clock in tests and simulations.
 */
export interface StreamHandler {
  /** A dialled stream is connected. An accepted stream is connected from the start, so this is not called. */
  onOpen(): void;
  /** @param chunk see `ByteStream.reusesChunks` */
  onData(chunk: Buffer): void;
  /** Everything written has been taken: `write` may be called again. */
  onDrain(): void;
  /** Called exactly once; no call follows it. */
  onClose(reason: string): void;
}

export interface ByteStream {
  /** The address of the other side, for messages. */
  readonly remoteAddress: string;
  /**
   * Whether the memory of a chunk is used again for the next one: then copy what is needed after `onData` has returned.
   * If false, each chunk belongs to its handler.
   */
  readonly reusesChunks: boolean;
  /** Sets the handler. Call it once, in the turn in which the stream was made. */
  start(handler: StreamHandler): void;
  /**
   * @returns true: the bytes were taken, and the memory may be used again; false: the memory belongs to the stream
   *   until `onDrain`, and nothing may be written before
   */
  write(bytes: Uint8Array): boolean;
  /** No more data until `resume`, except what was read already. */
  pause(): void;
  resume(): void;
  /** Closes once everything written is sent. */
  end(): void;
  /** Closes now; the other side still gets what was taken. `onClose` follows in a later turn. */
  destroy(reason: string): void;
  /** Closes now; the other side loses what it has not read. `onClose` follows in a later turn. */
  reset(reason: string): void;
}

export interface Listener {
  /** The port it listens on, for a caller who asked for port 0. */
  readonly port: number;
  /** Accepts no more streams; those already accepted stay open. */
  close(): Promise<void>;
}

export interface Transport {
  dial(host: string, port: number): ByteStream;
  /** @throws QuorateError ADDRESS_IN_USE */
  listen(host: string, port: number, onStream: (stream: ByteStream) => void): Promise<Listener>;
}
