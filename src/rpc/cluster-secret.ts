/**
 * The secret that only the nodes of a cluster know, and the proofs of knowing it: HMAC-SHA-256 over bytes that both
 * sides have drawn for this one connection.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { QuorateError } from '../errors.ts';

/** Characters of text, as in the file. 32 characters of hexadecimal are 16 random bytes; less could be guessed. */
export const MIN_SECRET_LENGTH = 32;
export const MAX_SECRET_LENGTH = 1_024;
export const NONCE_BYTES = 32;
export const PROOF_BYTES = 32;

/**
 * What a proof is for. Each side and each step has a label of its own, so that no proof can be sent back to its sender
 * or used for another step. No label is the beginning of another.
 */
export const ProofOf = {
  dialler: 'dialler',
  listener: 'listener',
  hello: 'hello',
  welcome: 'welcome',
  httpSession: 'http session',
  httpClient: 'http client',
  httpServer: 'http server',
  multicast: 'multicast',
} as const;
export type ProofOf = (typeof ProofOf)[keyof typeof ProofOf];

/** Advice for a proof that is wrong. */
export const SAME_SECRET = 'every node of a cluster must be given the same one (--cluster-secret-file)';

/**
 * The beginning of everything that is hashed. It is raised when the handshake changes, so that two versions never
 * match.
 */
const CONTEXT = 'quorate-rpc handshake 1';
const NOTHING = Buffer.alloc(0);

export class ClusterSecret {
  /**
   * For clusters without a secret: the handshake is the same and proves nothing. A node without a secret and one with a
   * secret refuse each other.
   */
  static readonly none: ClusterSecret = new ClusterSecret(NOTHING);
  readonly #key: Buffer;

  private constructor(key: Buffer) {
    this.#key = key;
  }

  /**
   * @param text the content of the secret's file; white space around it is ignored
   * @throws QuorateError INVALID_CONFIG that says what is wrong with it
   */
  static of(text: string): ClusterSecret {
    const trimmed = text.trim();
    if (trimmed.length >= MIN_SECRET_LENGTH && trimmed.length <= MAX_SECRET_LENGTH) {
      return new ClusterSecret(Buffer.from(trimmed));
    }
    const found = trimmed === '' ? 'is empty' : `has ${trimmed.length} characters`;
    throw new QuorateError(
      'INVALID_CONFIG',
      `the cluster secret ${found}: it must have ${MIN_SECRET_LENGTH} to ${MAX_SECRET_LENGTH}, such as what \`openssl rand -hex 32\` prints`,
    );
  }

  /** A key for what does not belong to one connection. */
  keyFor(purpose: string): Buffer {
    return createHmac('sha256', this.#key).update(purpose).digest();
  }

  /** The key of one connection. */
  session(listenerNonce: Uint8Array, diallerNonce: Uint8Array): SessionKey {
    const hmac = createHmac('sha256', this.#key).update(CONTEXT);
    return new SessionKey(hmac.update(listenerNonce).update(diallerNonce).digest());
  }
}

export class SessionKey {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** @param message bytes that the proof covers besides the knowledge of the secret */
  prove(what: ProofOf, message: Uint8Array = NOTHING): Buffer {
    return createHmac('sha256', this.#key).update(what).update(message).digest();
  }

  /** Takes the same time for a proof that is nearly right as for any other. */
  isProved(what: ProofOf, proof: Uint8Array, message: Uint8Array = NOTHING): boolean {
    return proof.length === PROOF_BYTES && timingSafeEqual(this.prove(what, message), proof);
  }
}
