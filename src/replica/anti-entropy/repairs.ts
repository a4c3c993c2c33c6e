/**
 * Repairs that somebody asked for: each goes through its slots on all nodes, since each node leads a part of them. The
 * node that was asked asks the others, and says how far all have come.
 */
import type { Clock, TimerHandle } from '../../clock.ts';
import { errorMessage } from '../../errors.ts';
import { decodePart, encodeRequest, type RepairPart, RoundMessage } from './messages.ts';
import type { RoundPeers } from './round-owner.ts';
import type { Stretch } from './round-schedule.ts';

/** Of finished ones so many are remembered, for those who ask how they went. */
const REMEMBERED = 16;
/** So many that are not over are kept: a node that is refilled begins one every 10 s. */
const MAX_OPEN = 1_024;
const POLL_MS = 500;
const ANSWER_TIMEOUT_MS = 5_000;

interface OwnPart {
  readonly repair: number;
  readonly stretches: number;
  readonly left: Set<Stretch>;
  obstacle: string;
}

/** A repair that this node was asked for by somebody outside. */
interface Repair {
  readonly own: OwnPart;
  readonly first: number;
  readonly last: number;
  /** By node; null: its answer has not come yet. */
  readonly others: Map<string, RepairPart | null>;
}

export interface RepairStatus {
  readonly id: number;
  readonly firstSlot: number;
  readonly lastSlot: number;
  readonly stretches: number;
  readonly stretchesLeft: number;
  readonly isDone: boolean;
  /** Why slots could not be settled: a sentence for each node that met something. */
  readonly obstacles: readonly string[];
}

interface RepairsOptions {
  readonly nodeId: string;
  readonly peers: RoundPeers;
  readonly clock: Clock;
  /** Makes the slots due, and returns their stretches. */
  readonly schedule: (first: number, last: number) => readonly Stretch[];
}

export class Repairs {
  readonly #options: RepairsOptions;
  readonly #parts = new Map<number, OwnPart>();
  readonly #repairs: Repair[] = [];
  #lastNumber = 0;
  #poll: TimerHandle | null = null;
  #isClosed = false;

  constructor(options: RepairsOptions) {
    this.#options = options;
  }

  /**
   * Begins a repair on this node and on the others.
   * @returns its number
   */
  begin(first: number, last: number, otherIds: readonly string[]): number {
    const own = this.#beginPart(first, last);
    const repair = { own, first, last, others: new Map(otherIds.map((id) => [id, null])) };
    this.#repairs.push(repair);
    if (this.#repairs.length > REMEMBERED) this.#repairs.shift();
    for (const id of otherIds) void this.#ask(repair, id, { kind: RoundMessage.start, first, last });
    this.#pollSoon();
    return own.repair;
  }

  /** Another node was asked for a repair, and asks this one to do its part. */
  beginPart(first: number, last: number): RepairPart {
    return partOf(this.#beginPart(first, last));
  }

  /** A part that is not known any more, as after a restart, counts as done. */
  progressOf(repair: number): RepairPart {
    const part = this.#parts.get(repair);
    return part === undefined
      ? { repair, stretches: 0, left: 0, obstacle: 'the node was started again meanwhile' }
      : partOf(part);
  }

  /** A round over a stretch is over. */
  onRound(stretch: Stretch, obstacle: string | null): void {
    for (const part of this.#parts.values()) {
      if (!part.left.delete(stretch) || obstacle === null) continue;
      if (part.obstacle === '') part.obstacle = obstacle;
    }
  }

  get latest(): RepairStatus | null {
    const repair = this.#repairs.at(-1);
    if (repair === undefined) return null;
    const { nodeId } = this.#options;
    const parts = [[nodeId, partOf(repair.own)] as const, ...repair.others];
    const left = parts.reduce((sum, [, part]) => sum + (part?.left ?? 1), 0);
    return {
      id: repair.own.repair,
      firstSlot: repair.first,
      lastSlot: repair.last,
      stretches: parts.reduce((sum, [, part]) => sum + (part?.stretches ?? 1), 0),
      stretchesLeft: left,
      isDone: left === 0,
      obstacles: parts.flatMap(([id, part]) => (part?.obstacle ? [`${id}: ${part.obstacle}`] : [])),
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#poll?.cancel();
  }

  #beginPart(first: number, last: number): OwnPart {
    const stretches = this.#options.schedule(first, last);
    const repair = ++this.#lastNumber;
    const part = { repair, stretches: stretches.length, left: new Set(stretches), obstacle: '' };
    this.#parts.set(repair, part);
    this.#forgetOld();
    return part;
  }

  /** But none that is not over: it is still asked for, and would never be seen to end. */
  #forgetOld(): void {
    for (const [repair, { left }] of this.#parts) {
      if (this.#parts.size <= REMEMBERED) return;
      if (left.size === 0 || this.#parts.size > MAX_OPEN) this.#parts.delete(repair);
    }
  }

  #pollSoon(): void {
    if (this.#isClosed || this.#poll !== null) return;
    this.#poll = this.#options.clock.after(POLL_MS, () => {
      this.#poll = null;
      for (const repair of this.#repairs)
        for (const [id, part] of repair.others) {
          if (part === null || part.left === 0) continue;
          void this.#ask(repair, id, { kind: RoundMessage.progress, repair: part.repair });
        }
      if (this.#repairs.some(({ others }) => [...others.values()].some((part) => part?.left !== 0)))
        this.#pollSoon();
    });
  }

  async #ask(repair: Repair, id: string, request: Parameters<typeof encodeRequest>[0]): Promise<void> {
    let part: RepairPart;
    try {
      part = decodePart(await this.#options.peers.ask(id, encodeRequest(request), ANSWER_TIMEOUT_MS));
    } catch (error) {
      part = { repair: 0, stretches: 0, left: 0, obstacle: errorMessage(error) };
    }
    repair.others.set(id, part);
  }
}

function partOf({ repair, stretches, left, obstacle }: OwnPart): RepairPart {
  return { repair, stretches, left: left.size, obstacle };
}
