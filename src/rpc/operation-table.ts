/**
 * What a node can be asked: all that is particular to an operation but the bytes of its arguments (codec.ts) and the
 * handler's own method. To add one: an entry here, its arguments in codec.ts and message-decoder.ts if they have a form
 * of their own, and a method of the handler. Pure.
 */
import type { ReplySink } from '../reply.ts';
import type { Message } from './message.ts';
import type { ReplicaHandler } from './replica-handler.ts';

/** What stands behind the time-out in a request; each number is how many elements that is. */
export const Arguments = { none: 0, key: 1, keyAndRecord: 2 } as const;
export type Arguments = (typeof Arguments)[keyof typeof Arguments];

export interface RpcOperation {
  /** Registered: append only. A number once given out is never given another meaning. */
  readonly number: number;
  readonly name: string;
  /** The bit by which a peer shows in the handshake that it serves this; 0: every peer does. */
  readonly feature: number;
  readonly arguments: Arguments;
  /** In both directions: whatever else there is to send goes first. */
  readonly isBackground: boolean;
  /** Success is a record. */
  readonly answersRecord: boolean;
  /** The sink is called with the message's id. */
  serve(handler: ReplicaHandler, message: Message, sink: ReplySink): void;
}

/**
 * What a node can do beyond the base of its protocol version, one bit each, told in the handshake. Bit 0 is
 * reserved. A node asks a peer for nothing whose bit the peer does not show.
 */
export const Feature = { readVersion: 1 << 1, clock: 1 << 2 } as const;

export const READ: RpcOperation = {
  number: 1,
  name: 'read',
  feature: 0,
  arguments: Arguments.key,
  isBackground: false,
  answersRecord: true,
  serve(handler, message, sink) {
    handler.read(message.key(), message.timeoutMs, sink, message.id);
  },
};

export const WRITE: RpcOperation = {
  number: 2,
  name: 'write',
  feature: 0,
  arguments: Arguments.keyAndRecord,
  isBackground: false,
  answersRecord: false,
  serve(handler, message, sink) {
    handler.write(message.key(), message.body(), sink, message.id, message.timeoutMs);
  },
};

/** Answers the record's header alone. */
export const READ_VERSION: RpcOperation = {
  number: 3,
  name: 'readVersion',
  feature: Feature.readVersion,
  arguments: Arguments.key,
  isBackground: true,
  answersRecord: true,
  serve(handler, message, sink) {
    handler.readVersion(message.key(), message.timeoutMs, sink, message.id);
  },
};

/** Reserved: the entries of a set of slots from a cursor on, for repair. Not served yet. */
export const RANGE_PAGE_NUMBER = 4;

/** Answers what time it is for the node asked: clock-message.ts. */
export const CLOCK: RpcOperation = {
  number: 5,
  name: 'clock',
  feature: Feature.clock,
  arguments: Arguments.none,
  isBackground: false,
  answersRecord: true,
  serve(handler, message, sink) {
    handler.clock(sink, message.id);
  },
};

/** By number; undefined: not served by this build. */
export const OPERATIONS: readonly (RpcOperation | undefined)[] = [
  undefined,
  READ,
  WRITE,
  READ_VERSION,
  undefined,
  CLOCK,
];

/** Everything this build can do. */
export const FEATURES = OPERATIONS.reduce((bits, operation) => bits | (operation?.feature ?? 0), 0);
