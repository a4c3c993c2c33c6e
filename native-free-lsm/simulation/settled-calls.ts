import type { FileSystem } from '../fs/file-system.ts';

type SettledCalls = Pick<
  FileSystem,
  'create' | 'write' | 'fdatasync' | 'rename' | 'remove' | 'syncDirectory'
>;

/** The asynchronous half of a file system, by its synchronous one: carried out at once, and answered by a settled promise. */
export abstract class SettledCallsFileSystem implements SettledCalls {
  abstract createSync(path: string): number;
  abstract writeSync(fd: number, parts: readonly Uint8Array[], position: number): void;
  abstract fdatasyncSync(fd: number): void;
  abstract renameSync(from: string, to: string): void;
  abstract removeSync(path: string): void;
  abstract syncDirectorySync(path: string): void;

  async create(path: string): Promise<number> {
    return this.createSync(path);
  }

  async write(fd: number, bytes: Uint8Array, position: number): Promise<void> {
    this.writeSync(fd, [bytes], position);
  }

  async fdatasync(fd: number): Promise<void> {
    this.fdatasyncSync(fd);
  }

  async rename(from: string, to: string): Promise<void> {
    this.renameSync(from, to);
  }

  async remove(path: string): Promise<void> {
    this.removeSync(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.syncDirectorySync(path);
  }
}
