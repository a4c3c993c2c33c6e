interface Room {
  /** Whether the next write may be refused. */
  readonly isFull: boolean;
  /** Calls back once when it is not full any more. */
  whenRoom(callback: () => void): void;
}

interface WaitingCall {
  readonly begin: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Calls that wait until a store has room for what they write, in their order. They hold what they were given and
 * nothing else: no record is made before. So a caller that waits for its promises has no more in memory than it chose
 * to (what RocksDB and LevelDB do by keeping the calling thread).
 */
export class WriteBacklog {
  readonly #store: Room;
  readonly #isUsed: boolean;
  #calls: WaitingCall[] = [];
  #next = 0;

  /** @param isUsed false: nothing waits here, and what has no room is refused */
  constructor(store: Room, isUsed: boolean) {
    this.#store = store;
    this.#isUsed = isUsed;
  }

  /** Whether a call must wait: there is no room, or others wait before it. */
  get isNeeded(): boolean {
    return this.#isUsed && (this.#calls.length > 0 || this.#store.isFull);
  }

  /** Makes a call when its turn has come; rejects when the backlog is closed before. */
  wait<Result>(call: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const isFirst = this.#calls.length === 0;
      const begin = (): void => {
        try {
          resolve(call());
        } catch (error) {
          reject(error);
        }
      };
      this.#calls.push({ begin, reject });
      if (isFirst) this.#store.whenRoom(this.#begin);
    });
  }

  /** Rejects all that wait. */
  close(error: Error): void {
    const left = this.#calls.slice(this.#next);
    this.#calls = [];
    this.#next = 0;
    for (const { reject } of left) reject(error);
  }

  /** A call may fill what is left, and may be answered at once; so each is looked at by itself. */
  readonly #begin = (): void => {
    while (this.#next < this.#calls.length) {
      if (this.#store.isFull) break;
      this.#calls[this.#next++].begin();
    }
    // While there is always one more to come, those that are done must go all the same.
    this.#calls = this.#calls.slice(this.#next);
    this.#next = 0;
    if (this.#calls.length > 0) this.#store.whenRoom(this.#begin);
  };
}
