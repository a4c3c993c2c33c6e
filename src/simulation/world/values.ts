/** The values that clients write: each has the number of its request, and bytes that tell it from all others. */
import type { ScannedEntry } from '../history.ts';
import type { PlannedRequest } from '../plan/plan.ts';
import type { EncodedEntry } from './entry-encoder.ts';

const ID_BYTES = 4;

interface FoundValue {
  /** The request that wrote it; -1: none. */
  readonly id: number;
  /** It is not what that request wrote, or not to this key; empty: it is. */
  readonly fault: string;
}

export class WrittenValues {
  readonly #requests = new Map<number, PlannedRequest>();

  /** A request is sent that may write a value. */
  add(request: PlannedRequest): void {
    this.#requests.set(request.id, request);
  }

  find(key: string, value: Uint8Array): FoundValue {
    const id = value.length < ID_BYTES ? -1 : Buffer.from(value).readUInt32LE(0);
    const request = this.#requests.get(id);
    const isRight = request !== undefined && request.key === key && valueFor(request).equals(value);
    return { id, fault: isRight ? '' : `${value.length} bytes that nobody wrote to ${key}` };
  }

  entryOf({ key: bytes, value }: EncodedEntry): ScannedEntry {
    const key = bytes.toString('latin1');
    const { fault, id } = this.find(key, value);
    return { key, readId: id, fault };
  }
}

export function valueFor({ id, paddingBytes }: PlannedRequest): Buffer {
  const value = Buffer.alloc(ID_BYTES + paddingBytes, id);
  value.writeUInt32LE(id, 0);
  return value;
}
