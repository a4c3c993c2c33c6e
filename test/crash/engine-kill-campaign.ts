/**
 * Kills a process that runs the engine alone, with kill -9, again and again: at any moment, while tables are written
 * and renamed, while the manifest is appended to and switched, and while it recovers from the kill before. After each
 * kill the directory is opened: every acknowledged write or a later one is there, nothing that nobody wrote, batches
 * are whole, and no file is left over.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type EngineOptions, open } from '../../native-free-lsm/index.ts';
import { type Random, seededRandom } from '../../src/clock.ts';
import { openDescriptors } from '../support/descriptors.ts';
import { filesAtRest } from '../support/engine-files.ts';
import { EngineLedger } from '../support/engine-ledger.ts';
import { settleLedger } from '../support/engine-traffic.ts';
import { until } from '../support/until.ts';
import { type Aim, filesLike, NEW_FILE, takeAim } from './engine-kill-aim.ts';
import type { ChildOrders } from './engine-kill-child.ts';
import { replayJournal } from './engine-kill-journal.ts';

const CHILD = fileURLToPath(new URL('./engine-kill-child.ts', import.meta.url));
/** After this, the process is killed even if the aimed-at moment has not come. */
const PATIENCE_MS = 4000;
const START_TIMEOUT_MS = 30_000;

/** Tiny levels: a second of writes goes through dozens of flushes and compactions. */
const OPTIONS: Partial<EngineOptions> = {
  maxRecordBytes: 16 * 1024,
  memtableBytes: 64 * 1024,
  blockCacheBytes: 64 * 1024,
  blockSizeBytes: 512,
  bottomBlockSizeBytes: 1024,
  targetFileBytes: 16 * 1024,
  l0CompactionTables: 2,
  baseLevelBytes: 32 * 1024,
  levelMultiplier: 3,
  maxCompactionBytes: 128 * 1024,
  maxBackgroundJobs: 3,
};

/** How many kills hit their aim, by kind; those that did not are under `too late`. */
export type KillCounts = Map<Aim['kind'] | 'too late', number>;

export async function engineKillCampaign(
  rounds: number,
  seed: number,
  log: (line: string) => void,
): Promise<KillCounts> {
  log(`seed ${seed}, ${rounds} rounds`);
  const root = mkdtempSync(join(tmpdir(), 'native-free-lsm-kill-'));
  try {
    const campaign = new Campaign(root, seed, log);
    for (let round = 0; round < rounds; round++) await campaign.round(round);
    log(`killed: ${[...campaign.counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`);
    return campaign.counts;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

class Campaign {
  readonly counts: KillCounts = new Map();
  readonly #random: Random;
  readonly #seed: number;
  readonly #log: (line: string) => void;
  readonly #directory: string;
  readonly #journal: string;
  readonly #ledger = new EngineLedger();
  #children = 0;
  #descriptors: number | undefined;

  constructor(root: string, seed: number, log: (line: string) => void) {
    this.#directory = join(root, 'db');
    this.#journal = join(root, 'journal');
    this.#random = seededRandom(seed);
    this.#seed = seed;
    this.#log = log;
  }

  async round(round: number): Promise<void> {
    const aim = takeAim(round, this.#random);
    const durability = this.#random() < 0.5 ? 'sync' : 'none';
    const drawn = { durability, singleThread: this.#random() < 0.5 } as const;
    const before = this.#ledger.acknowledged;
    try {
      // These aims are about what is left after a kill, so there is one before.
      if (aim.kind === 'recovery' || aim.kind === 'manifest switch') {
        await this.#kill({ kind: 'any moment', delayMs: 200 }, drawn);
      }
      await this.#kill(aim, drawn);
      const left = (await readdir(this.#directory)).filter((name) => name.endsWith('.tmp'));
      const { live, reports } = await this.#verify();
      const acknowledged = this.#ledger.acknowledged - before;
      this.#log(
        `round ${round + 1}: ${sentenceOf(aim)}; ${acknowledged} writes acknowledged, none lost; ${live} keys` +
          [...left, ...reports].map((text) => `; ${text}`).join(''),
      );
    } catch (error) {
      throw new Error(
        `seed ${this.#seed}, round ${round + 1}, ${sentenceOf(aim)}: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }

  async #kill(aim: Aim, drawn: Partial<EngineOptions>): Promise<void> {
    const journal = `${this.#journal}-${this.#children}`;
    const orders: ChildOrders = {
      directory: this.#directory,
      journal,
      lastCounter: this.#ledger.lastCounter,
      seed: this.#seed + this.#children++,
      aim,
      options: { ...OPTIONS, ...drawn },
    };
    const child = new Child(orders);
    const isMet = await child.killed(aim, this.#directory);
    const kind = isMet ? aim.kind : 'too late';
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (child.hasOpened) replayJournal(journal, this.#ledger);
    rmSync(journal, { force: true });
  }

  async #verify(): Promise<{ live: number; reports: string[] }> {
    const reports: string[] = [];
    const engine = await open(this.#directory, OPTIONS, { report: (message) => void reports.push(message) });
    const opened = await readdir(this.#directory);
    assert.deepEqual(
      opened.filter((name) => name.endsWith('.tmp')),
      [],
      'temporary files are left after a start',
    );
    assert.equal(opened.filter((name) => name.startsWith('MANIFEST-')).length, 1, `one manifest: ${opened}`);
    const live = await settleLedger(engine, this.#ledger);
    await filesAtRest(engine, this.#directory);
    await engine.close();
    // Descriptors of threads that have ended are closed with them.
    const descriptors = openDescriptors() ?? 0;
    this.#descriptors ??= descriptors + 4;
    assert.ok(descriptors <= this.#descriptors, `${descriptors} descriptors are open, more and more`);
    return { live, reports };
  }
}

class Child {
  hasOpened = false;
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown[]>;
  #errors = '';

  constructor(orders: ChildOrders) {
    this.#process = spawn(process.execPath, [CHILD, JSON.stringify(orders)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#exited = once(this.#process, 'exit');
    this.#process.stdout?.on('data', () => {
      this.hasOpened = true;
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
  }

  get #isGone(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /**
   * Resolves when it is dead, with whether it died where it was aimed at.
   * @throws Error when it ended in another way
   */
  async killed(aim: Aim, directory: string): Promise<boolean> {
    const isMet = await this.#meet(aim, directory);
    this.#process.kill('SIGKILL');
    const [code, signal] = await this.#exited;
    assert.equal(signal, 'SIGKILL', `the process ended by itself (${code}): ${this.#errors}`);
    return isMet;
  }

  async #meet(aim: Aim, directory: string): Promise<boolean> {
    if (aim.kind === 'recovery' || aim.kind === 'manifest switch') {
      await this.#waitFor(() => this.#isGone || this.hasOpened);
      return this.#isGone;
    }
    if (aim.kind === 'manifest append') return await this.#waitFor(() => this.#isGone);
    await until(
      () => this.hasOpened || this.#isGone,
      START_TIMEOUT_MS,
      () => `it does not open: ${this.#errors}`,
    );
    if (aim.kind === 'any moment') {
      const end = performance.now() + aim.delayMs;
      return await this.#waitFor(() => performance.now() >= end);
    }
    let known = filesLike(directory, NEW_FILE[aim.kind]);
    let left = aim.n;
    return await this.#waitFor(() => {
      const seen = filesLike(directory, NEW_FILE[aim.kind]);
      if ([...seen].some((name) => !known.has(name))) left--;
      known = seen;
      return left < 0;
    });
  }

  /** Looks without pause, because the file may exist for only a millisecond. */
  async #waitFor(isMet: () => boolean): Promise<boolean> {
    const end = performance.now() + START_TIMEOUT_MS;
    let opened = Number.POSITIVE_INFINITY;
    for (;;) {
      if (isMet()) return true;
      const now = performance.now();
      if (this.hasOpened) opened = Math.min(opened, now);
      if (now > end || now > opened + PATIENCE_MS || this.#isGone) return false;
      await turn();
    }
  }
}

function sentenceOf(aim: Aim): string {
  if (aim.kind === 'any moment') return `${aim.kind}, ${aim.delayMs} ms`;
  return `${aim.kind}, ${'before' in aim ? `${aim.before ? 'before' : 'after'} ` : ''}number ${aim.n}`;
}
