/**
 * Streams of bytes between nodes: TCP in a node (tcp-transport.ts), memory and a fake clock in tests and
 * simulations.
 */
export interface StreamHandler {
  /** A dialled stream is connected; accepted streams are from the start. */
  onOpen(): void;
  /** @param chunk see `ByteStream.reusesChunks` */
  onData(chunk: Buffer): void;
  /** Everything written has been taken: the last `write` may be followed by another. */
  onDrain(): void;
  /** Exactly once, and nothing after it. */
  onClose(reason: string): void;
}

export interface ByteStream {
  /** The other end, for messages. */
  readonly remoteAddress: string;
  /**
   * Whether the memory of a chunk serves for the next one: what is needed after `onData` has returned must then be
   * copied. Else each chunk is its handler's.
   */
  readonly reusesChunks: boolean;
  /** Names who gets what the stream has to say: once, in the turn in which it was made, before anything is said. */
  start(handler: StreamHandler): void;
  /**
   * @returns true: taken, and the memory may be used again; false: the memory belongs to the stream until
   *   `onDrain`, and nothing may be written before
   */
  write(bytes: Uint8Array): boolean;
  /** No more data until `resume`; what was read already may still come. */
  pause(): void;
  resume(): void;
  /** Closes once everything written is sent. */
  end(): void;
  /** Closes now; the other end still gets what was taken. `onClose` follows in a later turn. */
  destroy(reason: string): void;
  /** Closes now, and what the other end has not read is lost to it. `onClose` follows in a later turn. */
  reset(reason: string): void;
}

export interface Listener {
  /** The port listened on, for those who asked for port 0. */
  readonly port: number;
  /** No more streams; those accepted live on. */
  close(): Promise<void>;
}

export interface Transport {
  dial(host: string, port: number): ByteStream;
  /** @throws QuorateError ADDRESS_IN_USE */
  listen(host: string, port: number, onStream: (stream: ByteStream) => void): Promise<Listener>;
}
