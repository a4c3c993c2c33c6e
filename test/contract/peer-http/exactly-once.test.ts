import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../src/clock.ts';
import { type ReplicaReply, ReplyKind } from '../../../src/reply.ts';
import { HttpPair } from './harness.ts';

const STEPS = 150;
const RUNS = 6;

interface Asked {
  readonly key: string;
  /** null: a read */
  readonly written: Buffer | null;
}

/** Two nodes under random requests and faults, all drawn from one seed; how sockets and steps mix is the system's. */
class Storm {
  readonly pair: HttpPair;
  readonly asked = new Map<number, Asked>();
  readonly #random: () => number;

  constructor(pair: HttpPair, seed: number) {
    this.pair = pair;
    this.#random = seededRandom(seed);
  }

  async step(): Promise<void> {
    const { clock, link, replica } = this.pair;
    const draw = this.#random();
    if (draw < 0.5) this.#write();
    else if (draw < 0.82) this.#read();
    else if (draw < 0.86 && link.session !== null) this.pair.part();
    else if (draw < 0.92 && link.session === null) this.pair.meet();
    else if (draw < 0.96) replica.holds = !replica.holds;
    else replica.release();
    if (this.#random() < 0.1) clock.advance(this.#upTo(this.#random() < 0.2 ? 1_000 : 30));
    if (this.#random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
  }

  async calm(): Promise<void> {
    const { book, clock, link, replica } = this.pair;
    if (link.session === null) this.pair.meet();
    replica.holds = false;
    replica.release();
    clock.advance(2_000);
    await this.pair.until(() => book.replies.size === this.asked.size, 'a request has no answer');
  }

  async check(): Promise<void> {
    const { asking, book, serving } = this.pair;
    for (const [position, asked] of this.asked) this.#checkReply(asked, book.of(position));
    assert.deepEqual(asking.client.figuresOf('b'), { inFlight: 0, queuedBytes: 0 });
    await this.pair.until(() => serving.server.connections <= 4, 'connections are left behind');
    // It is as it was at first.
    for (let i = 0; i < 8; i++) {
      const position = this.pair.write('last', Buffer.alloc(500, i));
      assert.equal((await this.pair.answered(position)).kind, ReplyKind.ok);
    }
    assert.equal(book.repeated, 0);
  }

  #checkReply(asked: Asked, reply: ReplicaReply): void {
    const stored = this.pair.replica.records.get(asked.key);
    if (reply.kind === ReplyKind.failed) return;
    if (asked.written !== null) assert.ok(stored?.equals(asked.written), `${asked.key} is not stored`);
    else if (reply.kind === ReplyKind.ok) assert.ok(reply.record !== null && stored?.equals(reply.record));
    else assert.equal(reply.kind, ReplyKind.absent);
  }

  #write(): void {
    const size = 1 + (this.#random() < 0.1 ? this.#upTo(400_000) : this.#upTo(300));
    const written = Buffer.alloc(size, this.#upTo(256));
    const key = `key${this.asked.size}`;
    this.asked.set(this.pair.write(key, written, 50 + this.#upTo(2_000)), { key, written });
  }

  #read(): void {
    const key = `key${this.#upTo(this.asked.size)}`;
    this.asked.set(this.pair.read(key, 50 + this.#upTo(2_000)), { key, written: null });
  }

  #upTo(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}

describe('every call over HTTP', () => {
  it('gets exactly one answer, whatever fails', async () => {
    const seen = new Set<string>();
    const limits = { maxConnections: 4, maxInFlight: 15, maxQueuedBytes: 512 * 1024, connectTimeoutMs: 300 };
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        await using pair = await HttpPair.start(limits);
        const storm = new Storm(pair, seed);
        for (let step = 0; step < STEPS; step++) await storm.step();
        await storm.calm();
        await storm.check();
        for (const { kind, reason } of pair.book.replies.values()) seen.add(`${kind} ${reason}`);
      }),
      { numRuns: RUNS },
    );
    // A storm in which little happens shows nothing.
    for (const kind of [/^0/, /^1/, /in time/, /too many requests/, /node b is down/])
      assert.ok(
        [...seen].some((line) => kind.test(line)),
        `${kind} in ${[...seen]}`,
      );
  });
});
