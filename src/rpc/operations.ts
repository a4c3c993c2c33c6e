/**
 * What a node can be asked, by registered number. Append only: a number once given out is never given another
 * meaning, and zero stays reserved, so that a zeroed byte is no operation. Pure data.
 */
export const Operation = {
  read: 1,
  write: 2,
  /** Answers the record's header alone. */
  readVersion: 3,
  /** Reserved: the entries of a set of slots from a cursor on, for repair. Not served yet. */
  rangePage: 4,
  /** Answers what time it is for the node asked. */
  clock: 5,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/**
 * What a node can do beyond the base of its protocol version, one bit each, told in the handshake. Bit 0 is
 * reserved. A node asks a peer for nothing whose bit the peer does not show.
 */
export const Feature = {
  readVersion: 1 << 1,
  clock: 1 << 2,
} as const;

/** Everything this build can do. */
export const FEATURES = Feature.readVersion | Feature.clock;

/** Raised when old and new nodes cannot understand each other; features are told by bits instead. */
export const PROTOCOL_VERSION = 2;

/** Of what comes before the hello, in which nodes prove that they know the cluster's secret. */
export const HANDSHAKE_VERSION = 1;

/** First number of every frame. Append only, zero reserved. */
export const MessageKind = {
  hello: 1,
  welcome: 2,
  refuse: 3,
  request: 4,
  response: 5,
  cancel: 6,
  fragment: 7,
  ping: 8,
  pong: 9,
  history: 10,
  challenge: 11,
  proof: 12,
  seal: 13,
} as const;
export type MessageKind = (typeof MessageKind)[keyof typeof MessageKind];
