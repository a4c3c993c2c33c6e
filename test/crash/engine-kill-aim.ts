/**
 * When a process is killed. Calls of its main thread can be aimed at exactly: the process kills itself before or after
 * one. The work of pool threads shows in the directory, which the parent watches without pause.
 */
import { readdirSync } from 'node:fs';
import { NodeFileSystem } from '../../native-free-lsm/index.ts';
import type { Random } from '../../src/clock.ts';

/** `n`: how many calls of the kind pass first. */
export type Aim =
  /** By the parent, some time after the process has begun to write. */
  | { readonly kind: 'any moment'; readonly delayMs: number }
  /** By the parent, as soon as it sees such a file that was not there before. */
  | { readonly kind: 'table half written' | 'table renamed' | 'log begun'; readonly n: number }
  /** By itself, at the n-th call to the file system while it opens. */
  | { readonly kind: 'recovery'; readonly n: number; readonly before: boolean }
  /** By itself, at a call for the manifest while it serves. */
  | { readonly kind: 'manifest append'; readonly n: number; readonly before: boolean }
  /** By itself, at the calls that put a new CURRENT in force. */
  | { readonly kind: 'manifest switch'; readonly n: number; readonly before: boolean };

export const NEW_FILE = {
  'table half written': /^\d+\.sst\.tmp$/,
  'table renamed': /^\d+\.sst$/,
  'log begun': /^\d+\.log$/,
} as const;

const KINDS = [
  'table half written',
  'manifest append',
  'recovery',
  'any moment',
  'table renamed',
  'manifest switch',
  'log begun',
] as const satisfies readonly Aim['kind'][];

/** All kinds in turn, each at its own moment. */
export function takeAim(round: number, random: Random): Aim {
  const kind = KINDS[round % KINDS.length];
  const below = (limit: number): number => Math.floor(random() * limit);
  const before = random() < 0.5;
  switch (kind) {
    case 'any moment':
      return { kind, delayMs: below(600) };
    case 'recovery':
      return { kind, n: below(30), before };
    case 'manifest append':
      return { kind, n: below(24), before };
    case 'manifest switch':
      // Creating, writing and syncing CURRENT.tmp, syncing the directory, renaming, syncing again.
      return { kind, n: below(6), before };
    default:
      return { kind, n: below(8) };
  }
}

export function filesLike(directory: string, pattern: RegExp): Set<string> {
  return new Set(readdirSync(directory).filter((name) => pattern.test(name)));
}

/** The real file system, on the main thread of a process that kills itself at the call it was told. */
export class AimedFileSystem extends NodeFileSystem {
  readonly #aim: Aim;
  #left: number;
  #manifestFd = -1;
  #currentFd = -1;
  /** Set once the engine is open. */
  serving = false;

  constructor(aim: Aim) {
    super();
    this.#aim = aim;
    this.#left = 'n' in aim ? aim.n : 0;
  }

  override openReadSync(path: string): number {
    return this.#at('', () => super.openReadSync(path));
  }

  override createSync(path: string): number {
    const fd = this.#at(path.endsWith('CURRENT.tmp') ? 'manifest switch' : '', () => super.createSync(path));
    if (/MANIFEST-\d+$/.test(path)) this.#manifestFd = fd;
    if (path.endsWith('CURRENT.tmp')) this.#currentFd = fd;
    return fd;
  }

  override writeSync(fd: number, parts: readonly Uint8Array[], position: number): void {
    this.#at(fd === this.#currentFd ? 'manifest switch' : '', () => super.writeSync(fd, parts, position));
  }

  override fdatasyncSync(fd: number): void {
    this.#at(fd === this.#currentFd ? 'manifest switch' : '', () => super.fdatasyncSync(fd));
  }

  override truncateSync(fd: number, lengthBytes: number): void {
    this.#at('', () => super.truncateSync(fd, lengthBytes));
  }

  override renameSync(from: string, to: string): void {
    this.#at(to.endsWith('CURRENT') ? 'manifest switch' : '', () => super.renameSync(from, to));
  }

  override removeSync(path: string): void {
    this.#at('', () => super.removeSync(path));
  }

  override syncDirectorySync(path: string): void {
    this.#at('manifest switch', () => super.syncDirectorySync(path));
  }

  override async write(fd: number, bytes: Uint8Array, position: number): Promise<void> {
    await this.#at(fd === this.#manifestFd ? 'manifest append' : '', () => super.write(fd, bytes, position));
  }

  override async fdatasync(fd: number): Promise<void> {
    await this.#at(fd === this.#manifestFd ? 'manifest append' : '', () => super.fdatasync(fd));
  }

  /** @param kind what the call is for, besides a step of recovery */
  #at<Result>(kind: Aim['kind'] | '', call: () => Result): Result {
    const aim = this.#aim;
    const isAimedAt = aim.kind === kind || (aim.kind === 'recovery' && !this.serving);
    if (!isAimedAt || this.#left-- !== 0 || !('before' in aim)) return call();
    if (aim.before) killSelf();
    const result = call();
    // An asynchronous call is running then, so the kill meets it somewhere in the middle.
    killSelf();
    return result;
  }
}

function killSelf(): void {
  process.kill(process.pid, 'SIGKILL');
}
