/** The bytes of requests. Pure. */
import { formatAddress } from '../../address.ts';
import type { Random } from '../../clock.ts';
import { LoadOperation } from './operation-mix.ts';
import type { LoadPlan } from './plan.ts';

/** Values are cut from as many random bytes, each at a place of its own: making all of them anew would take longer than sending. */
const POOL_BYTES = 1024 * 1024;
const SMALL_VALUES = 1_000;
/** Up to here head and value go to the socket as one string, which takes one call. */
const MAX_INLINE_BYTES = 4 * 1024;

export interface Request {
  readonly head: string;
  /** Behind the head; null: there is none, or it is in the head. */
  readonly body: Buffer | null;
}

export class RequestWriter {
  readonly #plan: LoadPlan;
  readonly #random: Random;
  readonly #query: string;
  readonly #tails: readonly string[];
  readonly #pool: Buffer;

  constructor(plan: LoadPlan, random: Random) {
    this.#plan = plan;
    this.#random = random;
    const { ack, consistency, from, targets, valueBytes } = plan;
    const said = [
      ack === undefined ? '' : `&ack=${ack}`,
      from === undefined ? '' : `&from=${from}`,
      consistency === 'default' ? '' : `&consistency=${consistency}`,
    ];
    this.#query = said.join('');
    this.#tails = targets.map((target) => ` HTTP/1.1\r\nHost: ${formatAddress(target)}\r\n`);
    this.#pool = Buffer.allocUnsafe(valueBytes === 0 ? 0 : POOL_BYTES + valueBytes);
    for (let at = 0; at < this.#pool.length; at++) this.#pool[at] = random() * 256;
  }

  keyName(number: number): string {
    const { keyDigits } = this.#plan;
    return keyDigits === 0 ? `key${number + 1}` : `key${String(number + 1).padStart(keyDigits, '0')}`;
  }

  /** @param target an index @param key a number */
  write(operation: LoadOperation, target: number, key: number): Request {
    const tail = this.#tails[target];
    switch (operation) {
      case LoadOperation.scan: {
        const entries = 1 + Math.floor(this.#random() * this.#plan.maxScanEntries);
        const range = `start=${this.keyName(key)}&end=${this.keyName(key + entries)}`;
        return { head: `GET /v0/entities?${range}${tail}\r\n`, body: null };
      }
      case LoadOperation.put:
      case LoadOperation.insert:
        return this.#put(`PUT /v0/entity?id=${this.keyName(key)}${this.#query}${tail}`);
      case LoadOperation.delete:
        return { head: `DELETE /v0/entity?id=${this.keyName(key)}${this.#query}${tail}\r\n`, body: null };
      default:
        return { head: `GET /v0/entity?id=${this.keyName(key)}${this.#query}${tail}\r\n`, body: null };
    }
  }

  #put(head: string): Request {
    const { valueBytes } = this.#plan;
    if (valueBytes === 0) {
      const value = `value${1 + Math.floor(this.#random() * SMALL_VALUES)}`;
      return { head: `${head}Content-Length: ${value.length}\r\n\r\n${value}`, body: null };
    }
    const at = Math.floor(this.#random() * POOL_BYTES);
    const lengthAndEnd = `Content-Length: ${valueBytes}\r\n\r\n`;
    if (valueBytes <= MAX_INLINE_BYTES) {
      return { head: head + lengthAndEnd + this.#pool.toString('latin1', at, at + valueBytes), body: null };
    }
    return { head: head + lengthAndEnd, body: this.#pool.subarray(at, at + valueBytes) };
  }
}
