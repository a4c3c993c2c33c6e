/**
 * The fixed numbers of the protocol. They are append only: none is ever given another meaning, and zero is reserved.
 * Pure data.
 */

/** Raised when old and new nodes cannot understand each other; new features are shown by bits instead. */
export const PROTOCOL_VERSION = 4;

/** The version of the messages before the hello, in which nodes prove that they know the cluster's secret. */
export const HANDSHAKE_VERSION = 1;

/** The first number of every frame. Append only; zero is reserved. */
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
