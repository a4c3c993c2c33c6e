/**
 * A file that records what a process that will be killed has sent to its engine, and what it was answered. What is
 * written there outlives the process, like what it has written to the engine's files. Four u32 per record.
 */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { EngineLedger } from '../support/engine-ledger.ts';

const Kind = { put: 1, delete: 2, batchPut: 3, batchDelete: 4, acknowledged: 5 } as const;
const RECORD_WORDS = 4;

/** A ledger that records each entry before the call is made. */
export class JournalledLedger extends EngineLedger {
  readonly #fd: number;
  readonly #record = new Uint32Array(RECORD_WORDS);

  constructor(path: string, lastCounter: number) {
    super(lastCounter);
    this.#fd = openSync(path, 'a');
  }

  override send(key: number, counter: number, deletes: boolean): void {
    super.send(key, counter, deletes);
    this.#write(deletes ? Kind.delete : Kind.put, key, counter);
  }

  override sendBatch(
    counter: number,
    writes: readonly { readonly key: number; readonly deletes: boolean }[],
  ): void {
    for (const { key, deletes } of writes) super.send(key, counter, deletes);
    for (const { key, deletes } of writes)
      this.#write(deletes ? Kind.batchDelete : Kind.batchPut, key, counter);
  }

  override acknowledge(key: number, counter: number): void {
    super.acknowledge(key, counter);
    this.#write(Kind.acknowledged, key, counter);
  }

  #write(kind: number, key: number, counter: number): void {
    this.#record.set([kind, key, counter]);
    writeSync(this.#fd, this.#record);
  }
}

/** Puts the entries of a journal into a ledger. */
export function replayJournal(path: string, ledger: EngineLedger): void {
  const bytes = readFileSync(path);
  const words = new Uint32Array(Uint8Array.from(bytes).buffer, 0, bytes.length >>> 2);
  let batch: { key: number; deletes: boolean }[] = [];
  for (let at = 0; at + RECORD_WORDS <= words.length; at += RECORD_WORDS) {
    const [kind, key, counter] = words.subarray(at, at + RECORD_WORDS);
    if (kind === Kind.acknowledged) ledger.acknowledge(key, counter);
    else if (kind === Kind.put || kind === Kind.delete) ledger.send(key, counter, kind === Kind.delete);
    else {
      batch.push({ key, deletes: kind === Kind.batchDelete });
      const isLast =
        words[at + RECORD_WORDS + 2] !== counter ||
        words[at + RECORD_WORDS] < Kind.batchPut ||
        words[at + RECORD_WORDS] === Kind.acknowledged;
      if (!isLast) continue;
      ledger.sendBatch(counter, batch);
      batch = [];
    }
  }
}
