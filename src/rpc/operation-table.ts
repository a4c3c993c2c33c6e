/**
 * What a node can be asked. This table holds everything about an operation except the encoding of its arguments
 * (codec.ts) and the handler's method. To add an operation, add an entry here, its arguments in codec.ts and
 * message-decoder.ts if they have a form of their own, and a method of the handler. Pure.
 */
import type { ReplySink } from '../reply.ts';
import type { Message } from './message.ts';
import type { ReplicaHandler } from './replica-handler.ts';

/** What follows the time-out in a request; the value is the number of elements. */
export const Arguments = { none: 0, key: 1, keyAndRecord: 2 } as const;
export type Arguments = (typeof Arguments)[keyof typeof Arguments];

export interface RpcOperation {
  /** Registered and append only. A number that was given out is never given another meaning. */
  readonly number: number;
  readonly name: string;
  /** The bit by which a peer shows in the handshake that it serves this operation; 0: every peer does. */
  readonly feature: number;
  readonly arguments: Arguments;
  /** Background requests and their answers are sent only when nothing else waits to be sent. */
  readonly isBackground: boolean;
  /** Whether a successful answer is a record. */
  readonly answersRecord: boolean;
  /** The sink is called with the message's id. */
  serve(handler: ReplicaHandler, message: Message, sink: ReplySink): void;
}

/**
 * What a node can do besides the base of its protocol version, one bit each, told in the handshake. Bit 0 is reserved.
 * A node asks a peer only for operations whose bit the peer shows.
 */
export const Feature = {
  readVersion: 1 << 1,
  clock: 1 << 2,
  /** It sends and takes writes as datagrams. This depends on the node's settings and its network. */
  multicast: 1 << 3,
  repairWrite: 1 << 4,
  antiEntropy: 1 << 5,
  bulkPage: 1 << 6,
  hint: 1 << 7,
} as const;

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
  isBackground: false,
  answersRecord: true,
  serve(handler, message, sink) {
    handler.readVersion(message.key(), message.timeoutMs, sink, message.id);
  },
};

/** Reserved for repair: the entries of a set of slots, from a cursor on. Not served yet. */
export const RANGE_PAGE_NUMBER = 4;

/** Answers the time of the node: clock-message.ts. */
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

/** A write of a record that another replica has already: it waits behind everything that a client waits for. */
export const REPAIR_WRITE: RpcOperation = {
  number: 6,
  name: 'repairWrite',
  feature: Feature.repairWrite,
  arguments: Arguments.keyAndRecord,
  isBackground: true,
  answersRecord: false,
  serve(handler, message, sink) {
    handler.repairWrite(message.key(), message.body(), sink, message.id, message.timeoutMs);
  },
};

/** A message of a round, and its answer: `src/replica/anti-entropy/messages.ts` says what they hold. */
export const ANTI_ENTROPY: RpcOperation = {
  number: 7,
  name: 'antiEntropy',
  feature: Feature.antiEntropy,
  arguments: Arguments.key,
  isBackground: true,
  answersRecord: true,
  serve(handler, message, sink) {
    handler.antiEntropy(message.key(), message.timeoutMs, sink, message.id);
  },
};

/** Answers a page of the entries that a node lacks that is being filled; its "key" is the request for it. */
export const BULK_PAGE: RpcOperation = {
  number: 8,
  name: 'bulkPage',
  feature: Feature.bulkPage,
  arguments: Arguments.key,
  isBackground: true,
  answersRecord: true,
  serve(handler, message, sink) {
    handler.bulkPage(message.key(), sink, message.id);
  },
};

/** Asks an owner that took writes to remember which node missed them: the node's id, and a page of hints. */
export const HINT: RpcOperation = {
  number: 9,
  name: 'hint',
  feature: Feature.hint,
  arguments: Arguments.keyAndRecord,
  isBackground: true,
  answersRecord: false,
  serve(handler, message, sink) {
    handler.hint(message.key(), message.body(), sink, message.id);
  },
};

/** By number; undefined: this build does not serve it. */
export const OPERATIONS: readonly (RpcOperation | undefined)[] = [
  undefined,
  READ,
  WRITE,
  READ_VERSION,
  undefined,
  CLOCK,
  REPAIR_WRITE,
  ANTI_ENTROPY,
  BULK_PAGE,
  HINT,
];

/** The operations that this build serves. */
export const FEATURES = OPERATIONS.reduce((bits, operation) => bits | (operation?.feature ?? 0), 0);
