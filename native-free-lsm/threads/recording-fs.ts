import { NodeFileSystem } from '../fs/node-fs.ts';
import type { WaitRecorder } from '../shared/wait-recorder.ts';
import { WaitSiteId } from '../shared/wait-sites.ts';

/** The files of a pool thread, whose calls that can wait for the disk are recorded. */
export class RecordingFileSystem extends NodeFileSystem {
  readonly #waits: WaitRecorder;
  readonly #writeSite: WaitSiteId;
  readonly #syncSite: WaitSiteId;

  /** @param writes what the thread writes: the writer has the log, background threads write tables */
  constructor(waits: WaitRecorder, writes: 'log' | 'tables') {
    super();
    this.#waits = waits;
    this.#writeSite = writes === 'log' ? WaitSiteId.logWrite : WaitSiteId.tableWrite;
    this.#syncSite = writes === 'log' ? WaitSiteId.logSync : WaitSiteId.tableSync;
  }

  override readSync(
    fd: number,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    position: number,
  ): number {
    const began = this.#waits.begin(WaitSiteId.read);
    try {
      return super.readSync(fd, target, targetOffset, length, position);
    } finally {
      this.#waits.end(WaitSiteId.read, began);
    }
  }

  override writeSync(fd: number, parts: readonly Uint8Array[], position: number): void {
    const began = this.#waits.begin(this.#writeSite);
    try {
      super.writeSync(fd, parts, position);
    } finally {
      this.#waits.end(this.#writeSite, began);
    }
  }

  override fdatasyncSync(fd: number): void {
    const began = this.#waits.begin(this.#syncSite);
    try {
      super.fdatasyncSync(fd);
    } finally {
      this.#waits.end(this.#syncSite, began);
    }
  }
}
