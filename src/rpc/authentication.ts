/**
 * One side of the handshake in which both prove that they know the cluster's secret, before either says who it is.
 * FORMAT.md draws it.
 */

import type { DrawBytes } from '../clock.ts';
import { protocolError } from '../errors.ts';
import { MsgpackCursor, writeArrayHead } from '../msgpack.ts';
import { type ClusterSecret, NONCE_BYTES, PROOF_BYTES, ProofOf, type SessionKey } from './cluster-secret.ts';
import { FRAME_LENGTH_BYTES, writeBin, writeBytes, writeFrameLength } from './codec.ts';
import { HELLO_MAGIC } from './hello.ts';
import { HANDSHAKE_VERSION, MessageKind } from './operations.ts';

/** The longest frame that is accepted before the other side has proved itself. */
export const MAX_PROOF_FRAME_BYTES = 128;

export interface Credentials {
  readonly secret: ClusterSecret;
  /** Fresh bytes that nobody can guess, for one connection. */
  readonly drawBytes: DrawBytes;
}

export class Authentication {
  readonly #isListener: boolean;
  readonly #secret: ClusterSecret;
  readonly #nonce: Buffer;
  #session: SessionKey | null = null;
  #awaitedSeal: Buffer | null = null;
  /** Whether the other side has proved that it knows the secret. */
  isProved = false;

  constructor(end: 'dialler' | 'listener', credentials: Credentials) {
    this.#isListener = end === 'listener';
    this.#secret = credentials.secret;
    this.#nonce = credentials.drawBytes(NONCE_BYTES);
  }

  /** Whether a dialler has proved itself and the listener has not yet. */
  get isAnswerDue(): boolean {
    return this.#session !== null && !this.isProved;
  }

  /** The listener's first frame. */
  challenge(): Buffer {
    const magic = Buffer.from(HELLO_MAGIC);
    const frame = Buffer.alloc(FRAME_LENGTH_BYTES + 4 + magic.length + 2 + NONCE_BYTES);
    let next = writeFrameLength(frame, 0, frame.length - FRAME_LENGTH_BYTES);
    next = writeArrayHead(frame, next, 4);
    frame[next++] = MessageKind.challenge;
    frame[next++] = 0xa0 | magic.length;
    next = writeBytes(frame, next, magic);
    frame[next++] = HANDSHAKE_VERSION;
    writeBin(frame, next, this.#nonce);
    return frame;
  }

  /**
   * The dialler's answer to the challenge: its proof.
   * @throws QuorateError PROTOCOL
   */
  onChallenge(message: Buffer): Buffer {
    if (this.#isListener) throw protocolError('a challenge from the side that dialled');
    if (this.#session !== null) throw protocolError('a second challenge');
    const cursor = cursorBehindKind(message, 4);
    if (cursor.text() !== HELLO_MAGIC) throw protocolError('a handshake that is not a node of this kind');
    const version = cursor.uint();
    if (version !== HANDSHAKE_VERSION)
      throw protocolError(`handshake version ${version}, where this node knows ${HANDSHAKE_VERSION}`);
    const listenerNonce = readBin(cursor, message, NONCE_BYTES);
    cursor.finish();
    this.#session = this.#secret.session(listenerNonce, this.#nonce);
    return proofFrame(this.#nonce, this.#session.prove(ProofOf.dialler));
  }

  /**
   * Checks the other side's proof. A listener gets it first and proves itself with `answer`.
   * @returns whether the proof is right
   * @throws QuorateError PROTOCOL
   */
  onProof(message: Buffer): boolean {
    if (this.isProved) throw protocolError('a second proof');
    const cursor = cursorBehindKind(message, 3);
    const nonce = readBin(cursor, message, this.#isListener ? NONCE_BYTES : 0);
    const proof = readBin(cursor, message, PROOF_BYTES);
    cursor.finish();
    if (this.#isListener) this.#session = this.#secret.session(this.#nonce, nonce);
    const expected = this.#isListener ? ProofOf.dialler : ProofOf.listener;
    this.isProved = this.sessionKey.isProved(expected, proof);
    return this.isProved;
  }

  /** The listener's own proof. */
  answer(): Buffer {
    return proofFrame(Buffer.alloc(0), this.sessionKey.prove(ProofOf.listener));
  }

  /** @throws QuorateError PROTOCOL */
  onSeal(message: Buffer): void {
    this.checkProved();
    const cursor = cursorBehindKind(message, 2);
    // Copy it: the memory of the chunk that it came in is used again.
    this.#awaitedSeal = Buffer.from(readBin(cursor, message, PROOF_BYTES));
    cursor.finish();
  }

  /** @throws QuorateError PROTOCOL for a hello, or a welcome, that does not match its seal */
  checkSealed(message: Buffer): void {
    this.checkProved();
    const what = this.#isListener ? ProofOf.hello : ProofOf.welcome;
    const seal = this.#awaitedSeal;
    this.#awaitedSeal = null;
    if (seal === null || !this.sessionKey.isProved(what, seal, message))
      throw protocolError('a hello that does not match its seal');
  }

  /** The seal of a hello or a welcome, followed by that frame. */
  sealed(frame: Buffer): Buffer {
    const what = this.#isListener ? ProofOf.welcome : ProofOf.hello;
    const seal = Buffer.alloc(FRAME_LENGTH_BYTES + 2 + 2 + PROOF_BYTES);
    let next = writeFrameLength(seal, 0, seal.length - FRAME_LENGTH_BYTES);
    next = writeArrayHead(seal, next, 2);
    seal[next++] = MessageKind.seal;
    writeBin(seal, next, this.sessionKey.prove(what, frame.subarray(FRAME_LENGTH_BYTES)));
    return Buffer.concat([seal, frame]);
  }

  /**
   * @throws QuorateError PROTOCOL when the other side has not proved itself: nothing is told to it, and nothing it says
   *   is believed
   */
  checkProved(): void {
    if (!this.isProved) throw protocolError('a frame before the proof of the cluster secret');
  }

  /** @throws QuorateError PROTOCOL while the other side has not spoken */
  get sessionKey(): SessionKey {
    if (this.#session === null) throw protocolError('a proof before the challenge');
    return this.#session;
  }
}

function proofFrame(nonce: Buffer, proof: Buffer): Buffer {
  const frame = Buffer.alloc(FRAME_LENGTH_BYTES + 2 + 2 + nonce.length + 2 + proof.length);
  let next = writeFrameLength(frame, 0, frame.length - FRAME_LENGTH_BYTES);
  next = writeArrayHead(frame, next, 3);
  frame[next++] = MessageKind.proof;
  writeBin(frame, writeBin(frame, next, nonce), proof);
  return frame;
}

function cursorBehindKind(message: Buffer, elements: number): MsgpackCursor {
  const cursor = new MsgpackCursor();
  cursor.reset(message, 0, message.length);
  const length = cursor.arrayLength();
  if (length !== elements) throw protocolError(`a message of ${length} elements instead of ${elements}`);
  cursor.uint();
  return cursor;
}

function readBin(cursor: MsgpackCursor, message: Buffer, bytes: number): Buffer {
  cursor.bin();
  const found = cursor.binEnd - cursor.binStart;
  if (found !== bytes) throw protocolError(`${found} bytes of a proof instead of ${bytes}`);
  return message.subarray(cursor.binStart, cursor.binEnd);
}
