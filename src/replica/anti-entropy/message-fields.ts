/** Messages of rounds that are msgpack arrays, field by field. Pure. */
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';
import { protocolError } from '../../errors.ts';

const MAX_TEXT_LENGTH = 512;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

export function packFields(fields: readonly unknown[]): Uint8Array {
  return packr.pack(fields);
}

/** As much of the text as a field may have. */
export function clipText(text: string): string {
  return text.slice(0, MAX_TEXT_LENGTH);
}

/** Takes one field after the other. */
export class Fields {
  readonly #fields: readonly unknown[];
  #at = 0;

  constructor(body: Uint8Array) {
    let decoded: unknown;
    try {
      decoded = unpackr.unpack(body);
    } catch {
      decoded = null;
    }
    if (!Array.isArray(decoded)) throw protocolError('a round message that is no array');
    this.#fields = decoded;
  }

  uint(): number {
    const value = this.#take();
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw protocolError('a round message whose number is none');
  }

  slot(): number {
    const slot = this.uint();
    if (slot < SLOT_COUNT) return slot;
    throw protocolError(`a round message about slot ${slot}`);
  }

  text(): string {
    const value = this.#take();
    if (typeof value === 'string' && value.length <= MAX_TEXT_LENGTH) return value;
    throw protocolError('a round message whose text is none');
  }

  bytes(): Buffer {
    return bytesOf(this.#take());
  }

  list(): readonly unknown[] {
    const value = this.#take();
    if (Array.isArray(value)) return value;
    throw protocolError('a round message whose list is none');
  }

  finish(): void {
    if (this.#at !== this.#fields.length)
      throw protocolError('a round message with more than it should have');
  }

  #take(): unknown {
    return this.#fields[this.#at++];
  }
}

export function bytesOf(value: unknown): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw protocolError('a round message whose bytes are none');
}
