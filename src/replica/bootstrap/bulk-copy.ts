/**
 * Fills a folder fast: every other whole node sends its share of the entries that this node owns, in key order, page
 * after page, and this node writes them. It is no proof that nothing is missing, as a source may have missed a write
 * itself: the rounds over all owners that follow are (bootstrap.ts). So a share that cannot be copied may be left to
 * them.
 *
 * What lies between two keys is written together (bulk-span.ts), and the next is gathered meanwhile. How far the copy
 * has come is kept durably, behind what is written; after a kill some entries come twice, which changes nothing. A source
 * that is away is waited for, and after a while the others send its share.
 */
import { Backoff } from '../../backoff.ts';
import type { Clock, Random } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import { OwnPart, type OwnRecords } from '../own-records.ts';
import { pause } from '../pause.ts';
import { askForPage, type BulkResult } from './bulk-ask.ts';
import type { BulkPeers } from './bulk-peers.ts';
import {
  type BulkPlan,
  type BulkShare,
  decodePlan,
  encodePlan,
  encodeShare,
  isCopied,
  newPlan,
  replanned,
} from './bulk-plan.ts';
import { type Span, SpanBuilder } from './bulk-span.ts';
import type { BulkWriter } from './bulk-writer.ts';
import { keptProgress } from './kept-progress.ts';

const PAGE_BYTES = 512 * 1024;
/** A source that is away for so long is done without. */
const LOST_AFTER_MS = 15_000;
/** Sources that do not answer by then are done without, if others do. */
const PROBE_PATIENCE_MS = 3_000;
const POLL_MS = 100;
const KEEP_EVERY_MS = 1_000;
/** Asked for so often in vain, the rest of a share is left to the rounds. */
const MAX_BROKEN = 5;
const PLAN_NAME = Buffer.from('plan');
const SHARE_PREFIX = 'share/';

/** How much of the machine the copy may take. */
export interface BulkPace {
  /** Resolves when the next page may be copied. */
  rest(signal: AbortSignal): Promise<void>;
}

interface BulkCopyOptions {
  readonly nodeId: string;
  readonly incarnation: string;
  readonly peers: BulkPeers;
  readonly writer: Pick<BulkWriter, 'write'>;
  readonly records: Pick<OwnRecords, 'get' | 'put' | 'delete' | 'scan'>;
  readonly pace: BulkPace;
  /** So much is gathered before it is written: about as much as a table has. Twice as much is in memory. */
  readonly spanBytes: number;
  readonly maxKeyBytes: number;
  /** Entries with this timestamp or a later one may be of clients' writes that are under way. */
  readonly freshFrom: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: { info(message: string): void; warn(message: string): void };
}

interface BulkFigures {
  readonly copiedBytes: number;
  readonly copiedEntries: number;
  /** What the sources say that they hold, by their ids. */
  readonly sources: readonly { readonly id: string; readonly heldBytes: number; readonly isDone: boolean }[];
  /** Nodes that are asked and do not answer. */
  readonly waitsFor: readonly string[];
}

/** What one source sends, as far as it has come. */
class BulkStream {
  readonly share: BulkShare;
  /** The key behind what it has sent; null: it has sent everything. */
  next: Uint8Array | null;
  /** The page that is on its way. */
  asked: Promise<BulkResult> | null = null;

  constructor(share: BulkShare) {
    this.share = share;
    this.next = share.cursor;
  }
}

/** The sources have to be chosen anew. */
class OtherSources extends Error {}

export class BulkCopy {
  readonly #options: BulkCopyOptions;
  readonly #waitsFor = new Set<string>();
  readonly #heldBytes = new Map<string, number>();
  #plan: BulkPlan | null = null;
  #copiedBytes = 0;
  #copiedEntries = 0;
  #keptMs = 0;

  constructor(options: BulkCopyOptions) {
    this.#options = options;
  }

  figures(): BulkFigures {
    const shares = this.#plan?.shares ?? [];
    return {
      copiedBytes: this.#copiedBytes,
      copiedEntries: this.#copiedEntries,
      sources: shares.map(({ source, cursor }) => {
        return { id: source, heldBytes: this.#heldBytes.get(source) ?? 0, isDone: cursor === null };
      }),
      waitsFor: [...this.#waitsFor],
    };
  }

  /**
   * Resolves when every source has sent its share, or what it could not send is left to the rounds.
   * @param lack what is to be filled; a copy that was begun for it goes on
   * @returns the sources, which were whole; none: all other nodes are there, and none of them is
   */
  async run(lack: number, signal: AbortSignal): Promise<string[]> {
    let plan = await this.#load(lack, signal);
    while (plan === null || plan.shares.length === 0 || !isCopied(plan)) {
      const sources = await this.chooseSources(signal);
      if (sources.length === 0) return [];
      plan = plan === null ? newPlan(lack, this.#options.incarnation, sources) : replanned(plan, sources);
      await this.#keep(plan);
      this.#plan = plan;
      try {
        await this.#copy(plan, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof OtherSources)) throw error;
      } finally {
        this.#waitsFor.clear();
      }
    }
    this.#plan = plan;
    return plan.shares.map(({ source }) => source);
  }

  /** Forgets a copy whose folder has been filled. */
  async forget(signal: AbortSignal): Promise<void> {
    const { records } = this.#options;
    const names: Uint8Array[] = [];
    for await (const { name } of records.scan(OwnPart.bootstrap, Buffer.from(SHARE_PREFIX), signal))
      names.push(name);
    for (const name of [PLAN_NAME, ...names]) await records.delete(OwnPart.bootstrap, name);
  }

  async #load(lack: number, signal: AbortSignal): Promise<BulkPlan | null> {
    const { incarnation, log, peers, records } = this.#options;
    const shares = new Map<string, Uint8Array>();
    for (const id of peers.ids) {
      const share = await keptProgress(records, shareName(id), log);
      signal.throwIfAborted();
      if (share !== null) shares.set(id, share);
    }
    return decodePlan(await keptProgress(records, PLAN_NAME, log), shares, lack, incarnation);
  }

  /** The shares first: for a moment they may be those of other sources, but never further than these have come. */
  async #keep(plan: BulkPlan): Promise<void> {
    for (const share of plan.shares) await this.#keepShare(plan, share);
    await this.#options.records.put(OwnPart.bootstrap, PLAN_NAME, encodePlan(plan));
  }

  #keepShare(plan: BulkPlan, share: BulkShare): Promise<void> {
    return this.#options.records.put(OwnPart.bootstrap, shareName(share.source), encodeShare(plan, share));
  }

  /**
   * All other nodes that are whole. Those that do not answer are waited for, but not for long.
   * @returns none: all are there, and none of them is whole
   */
  async chooseSources(signal: AbortSignal): Promise<string[]> {
    const { clock, nodeId, peers } = this.#options;
    const startedMs = clock.monotonicMs();
    for (;;) {
      const results = await Promise.all(
        peers.ids.map(async (id) => {
          const isAway = !peers.isUp(id);
          // Without sources nothing is wanted: the answer says only whether the node is whole.
          const result = isAway ? null : await askForPage(peers, id, nodeId, [], NO_KEY, 1);
          return { id, result };
        }),
      );
      signal.throwIfAborted();
      const sources = results.filter(({ result }) => result?.kind === 'page').map(({ id }) => id);
      const away = results.filter(({ result }) => result === null || result.kind === 'busy');
      this.#waitsFor.clear();
      for (const { id } of away) this.#waitsFor.add(id);
      const isPatient = clock.monotonicMs() - startedMs < PROBE_PATIENCE_MS;
      if (sources.length > 0 && (away.length === 0 || !isPatient)) return sources;
      if (sources.length === 0 && away.length === 0) return [];
      await this.#pause(POLL_MS, signal);
    }
  }

  /**
   * Copies what the shares have left, span by span. The next one is gathered while one is written. All sources are
   * kept at about the same key: so a span has everything up to where it ends.
   */
  async #copy(plan: BulkPlan, signal: AbortSignal): Promise<void> {
    const shares = plan.shares.filter(({ cursor }) => cursor !== null);
    const streams = shares.map((share) => new BulkStream(share));
    const builder = new SpanBuilder(streams.length, this.#options.maxKeyBytes);
    let writing: Promise<void> = Promise.resolve();
    try {
      let start = leastKey(streams);
      while (start !== null) {
        await this.#gather(plan, streams, builder, start, signal);
        await writing;
        const end = leastKey(streams);
        writing = this.#writeSpan(plan, shares, builder.cut(start, end), signal);
        // It is awaited before the next one is cut.
        writing.catch(() => undefined);
        start = end;
      }
      await writing;
    } finally {
      // Nothing is written any more when the copy has ended.
      await writing.catch(() => undefined);
    }
  }

  /** Asks, always the source that is furthest behind, until there is enough for a span. */
  async #gather(
    plan: BulkPlan,
    streams: readonly BulkStream[],
    builder: SpanBuilder,
    start: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const { freshFrom, log, pace, spanBytes } = this.#options;
    for (;;) {
      const stream = furthestBehind(streams);
      if (stream?.next == null) return;
      if (builder.bytes >= spanBytes && Buffer.compare(stream.next, start) > 0) return;
      const { source } = stream.share;
      const asked = stream.asked ?? this.#ask(plan, source, stream.next);
      stream.asked = null;
      const result = await this.#next(plan, source, asked, stream.next, signal);
      if (result === null) {
        log.warn(
          `Node ${source} cannot send the rest of what this node lacks: it is left to the rounds of anti-entropy`,
        );
        stream.next = null;
        continue;
      }
      const { next, page } = result;
      this.#heldBytes.set(source, page.sourceBytes);
      stream.next = next;
      await pace.rest(signal);
      if (stream.next !== null) stream.asked = this.#ask(plan, source, stream.next);
      const malformed = builder.add(streams.indexOf(stream), page.entries, freshFrom());
      if (malformed > 0)
        log.warn(`${malformed} entries that node ${source} sent are malformed, and were left out`);
    }
  }

  async #writeSpan(
    plan: BulkPlan,
    shares: readonly BulkShare[],
    span: Span,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#write(span, signal);
    this.#copiedBytes += span.bytes + span.fresh.length;
    this.#copiedEntries += span.entries;
    const { end } = span;
    for (const share of shares) {
      // One may have been further already when the sources were chosen.
      if (end === null || (share.cursor !== null && Buffer.compare(share.cursor, end) < 0))
        share.cursor = end;
    }
    const nowMs = this.#options.clock.monotonicMs();
    if (end !== null && nowMs - this.#keptMs < KEEP_EVERY_MS) return;
    this.#keptMs = nowMs;
    for (const share of shares) await this.#keepShare(plan, share);
  }

  #ask({ shares }: BulkPlan, source: string, start: Uint8Array): Promise<BulkResult> {
    const { nodeId, peers } = this.#options;
    const sources = shares.map((share) => share.source);
    return askForPage(peers, source, nodeId, sources, start, PAGE_BYTES);
  }

  /** The page at `start`, however often it has to be asked for; null: it cannot be had. */
  async #next(
    plan: BulkPlan,
    source: string,
    first: Promise<BulkResult>,
    start: Uint8Array,
    signal: AbortSignal,
  ): Promise<Extract<BulkResult, { kind: 'page' }> | null> {
    const { clock, log, peers } = this.#options;
    const backoff = this.#backoff();
    const startedMs = clock.monotonicMs();
    let result = await first;
    for (let broken = 0; ; result = await this.#ask(plan, source, start)) {
      signal.throwIfAborted();
      if (result.kind === 'page') {
        this.#waitsFor.delete(source);
        return result;
      }
      if (result.kind === 'incomplete') throw new OtherSources();
      if (result.kind === 'broken') {
        if (broken === 0) log.warn(`Node ${source} does not send what this node lacks: ${result.reason}`);
        if (++broken >= MAX_BROKEN) return null;
      }
      this.#waitsFor.add(source);
      do {
        if (clock.monotonicMs() - startedMs > LOST_AFTER_MS && !peers.isUp(source)) throw new OtherSources();
        await this.#pause(backoff.nextMs(), signal);
      } while (!peers.isUp(source));
    }
  }

  /** Tries until it is written: a full disk, or one with too much to do, may be able to later. */
  async #write(span: Span, signal: AbortSignal): Promise<void> {
    const backoff = this.#backoff();
    for (let isNews = true; ; isNews = false) {
      try {
        await this.#options.writer.write(span, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (isNews) this.#options.log.warn(`What this node lacks cannot be written: ${errorMessage(error)}`);
        await this.#pause(backoff.nextMs(), signal);
      }
    }
  }

  #backoff(): Backoff {
    return new Backoff(50, 2_000, this.#options.random);
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return pause(this.#options.clock, ms, signal);
  }
}

const NO_KEY = new Uint8Array(0);

function shareName(source: string): Uint8Array {
  return Buffer.from(SHARE_PREFIX + source);
}

/** Undefined: all of them have sent everything. */
function furthestBehind(streams: readonly BulkStream[]): BulkStream | undefined {
  let least: BulkStream | undefined;
  for (const stream of streams) {
    if (stream.next === null) continue;
    if (least?.next == null || Buffer.compare(stream.next, least.next) < 0) least = stream;
  }
  return least;
}

/** Up to which key all of them have sent everything; null: all of it. */
function leastKey(streams: readonly BulkStream[]): Uint8Array | null {
  return furthestBehind(streams)?.next ?? null;
}
