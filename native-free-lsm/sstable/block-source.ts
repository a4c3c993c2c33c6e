/** Where a cursor over one table takes the table's blocks from, one at a time. */
export interface BlockSource {
  /** The block that was entered last is `bytes[start, end)`, until the next one is entered. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Its number in the table. */
  readonly ordinal: number;
  /** What is entered next begins a walk over the whole table. */
  expectWalk(): void;
  /** What is entered next is the one block that a seek needs. */
  expectSeek(): void;
  /**
   * Goes to a block, which has been verified then. Also when it fails `ordinal` is the block's.
   * @throws LsmError CORRUPTION with file and offset, UNSUPPORTED_FORMAT, IO_ERROR
   */
  enter(ordinal: number): void;
  /** The error that says what is wrong with an entry of the block. */
  damaged(fault: string): Error;
}
