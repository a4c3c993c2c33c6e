import { protocolError } from '../errors.ts';

interface Assembly {
  readonly id: number;
  readonly message: Buffer;
  used: number;
}

/** A sender sends one large message per lane at a time. */
const MAX_ASSEMBLIES = 2;

/**
 * Puts large messages together from their fragments, each in memory of its own that is handed out whole. The memory is
 * bounded, because a sender sends the large messages of a lane one after the other. Pure.
 */
export class Assemblies {
  readonly #maxMessageBytes: number;
  readonly #open: Assembly[] = [];

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * @param total bytes of the whole message
   * @returns the message once it is complete, else null
   * @throws QuorateError PROTOCOL for a fragment that fits no sender
   */
  add(id: number, total: number, offset: number, payload: Uint8Array): Buffer | null {
    const index = this.#open.findIndex((assembly) => assembly.id === id);
    if (index < 0) return this.#begin(id, total, offset, payload);
    const assembly = this.#open[index];
    if (assembly.message.length !== total || assembly.used !== offset) {
      throw protocolError(
        `a fragment at ${offset} of ${total} where ${assembly.used} of ${assembly.message.length} is next`,
      );
    }
    assembly.message.set(payload, offset);
    assembly.used += payload.length;
    if (assembly.used < total) return null;
    this.#open.splice(index, 1);
    return assembly.message;
  }

  has(id: number): boolean {
    return this.#open.some((assembly) => assembly.id === id);
  }

  /** Drops a message that nobody waits for any more. */
  drop(id: number): void {
    const index = this.#open.findIndex((assembly) => assembly.id === id);
    if (index >= 0) this.#open.splice(index, 1);
  }

  #begin(id: number, total: number, offset: number, payload: Uint8Array): null {
    // This is the rest of a message that was dropped here while its fragments were on their way.
    if (offset > 0) return null;
    if (total > this.#maxMessageBytes) {
      throw protocolError(`a message of ${total} bytes where ${this.#maxMessageBytes} are allowed`);
    }
    if (payload.length === total) throw protocolError('a fragment that is a whole message');
    if (this.#open.length === MAX_ASSEMBLIES)
      throw protocolError(`more than ${MAX_ASSEMBLIES} large messages at once`);
    const message = Buffer.allocUnsafeSlow(total);
    message.set(payload, 0);
    this.#open.push({ id, message, used: payload.length });
    return null;
  }
}
