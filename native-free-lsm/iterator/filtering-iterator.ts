import { CursorIterator } from './cursor-iterator.ts';
import type { RecordIterator } from './record-iterator.ts';

/** The entries of another iterator without those that `settle` moves past: it is called at each entry. */
export abstract class FilteringIterator<Source extends RecordIterator> extends CursorIterator<Source> {
  override seekToFirst(): void {
    this.cursor.seekToFirst();
    this.settle();
  }

  override next(): void {
    this.cursor.next();
    this.settle();
  }
}
