/**
 * The time of this node: the one at which it issues timestamps, and from which it measures how far ahead a timestamp
 * may be. A wall clock alone is not enough: it may be set, jump, or be an hour wrong for two seconds. So a node's *own
 * time* runs with the monotonic clock, and follows the wall clock only as far as that can be believed.
 *
 * Peers' clocks are measured twice a second. A node's wall clock is
 * - right: more of the clocks that the node sees agree with it than differ; it counts as one that agrees. (A tie is not
 *   enough: of two nodes that differ nobody can tell which is wrong, and the writes of either could win for hours over
 *   what the other acknowledges later. So both refuse.)
 * - unmeasured: it has just jumped, or a measurement found it wrong and must be repeated. Writes wait.
 * - off: two measurements in a row found it wrong. The node takes no writes from clients, but goes on as a replica, by
 *   its own time.
 *
 * A node with a new folder has no own time yet, and its wall clock is no reason to begin with one: it may have been set
 * a moment ago, and what it shows be refused by all others. So it begins where most of the other nodes are; where the
 * latest of those is that answer, when they are too few; and with its wall clock only when no node that answers knows a
 * time, as when a whole cluster is new. Before the last two it waits a moment for those that have not answered yet.
 *
 * A node that starts again knows what own time was at least (it had reserved a little more), and goes on from there. Once
 * most of the clocks agree with its wall clock, it takes that, as far as time was reserved. So a clock that is ahead when
 * a node starts does not bring own time ahead.
 *
 * A jump is noticed at the next timestamp, and does not move own time. These move it (of a peer's own time, only what it
 * has reached for sure counts, however inexact the measurement was):
 * - Small differences, while the clock is right: own time goes forward at once. When the wall clock is behind, own time
 *   runs a little slower until they meet. It never goes back.
 * - Most of the other nodes have a later own time: the node takes theirs. (This is a new folder in a cluster whose
 *   clocks were all set back.)
 * - A peer whose wall clock agrees has an own time that is a little later: the node takes that. (When all nodes start
 *   again, each knows only what own time was at least, and the latest of them is right.)
 * - The wall clocks of most nodes have been ahead of own time for some seconds: the time was set, or the whole cluster
 *   was suspended. The step has two parts. First each node accepts timestamps from the later time, and tells its peers
 *   so. Once most of the nodes accept them, they are issued. So no node issues what most others would refuse, and a
 *   node that said that it accepts them does so for longer than any peer relies on it. (A node that was stopped or
 *   suspended alone is back at once: the others' own time is there already, so they accept its timestamps.)
 *
 * So all clocks may be an hour ahead for two seconds, and nothing happens. When they are ahead for longer, all nodes go
 * on from there together, and nobody has to wait for real time to catch up.
 */
import type { Clock } from './clock.ts';
import {
  type Agreement,
  compareClocks,
  isMost,
  NO_OFFSET,
  type PeerClock,
  reachedBy,
  SLOWING,
  slackMs,
  surelyReached,
} from './clock-agreement.ts';
import { ClockStep } from './clock-step.ts';

const ClockState = { right: 0, unmeasured: 1, off: 2 } as const;
type ClockState = (typeof ClockState)[keyof typeof ClockState];

/** A node's answer to a peer that measures its clock; in ms since the Unix epoch. */
interface ClockReading {
  readonly wallMs: number;
  /** 0: the node knows none yet. */
  readonly ownMs: number;
  /** The time up to which it accepts timestamps, without the drift allowed. */
  readonly acceptMs: number;
}

interface OwnTimeOptions {
  readonly clock: Clock;
  /** The number of nodes in the cluster; this node counts too. */
  readonly clusterSize: number;
  readonly maxDriftMs: number;
  /** The least that own time was when it was last known, in ms since the Unix epoch; 0: it was never known. */
  readonly reachedMs: number;
  /** The most that own time may have been by now; at least `reachedMs`. */
  readonly reservedMs: number;
  /** A wall clock outside of these two cannot be right. */
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** An older measurement is not used. */
const READING_LIFE_MS = 2_000;
/** The wall clock is read in whole milliseconds. */
const WALL_GRAIN_MS = 1;
/** After this many measurements, a node that knows no time yet says so. */
const PATIENT_ROUNDS = 4;
/** How long a node that knows no time yet waits for the other nodes once most of the clocks agree. */
const OTHERS_PATIENCE_MS = 300;
/** How much less of own time a node may know when it starts than when it was killed: what it reserves ahead. */
const LOST_BY_START_MS = 2_000;
/** Smaller differences between own times are ignored. */
const NOISE_MS = 10;

export class OwnTime {
  /** Whether timestamps may be issued now. */
  mayIssue = false;
  /** A measurement is wanted: the clock has jumped, or own time is behind what a peer writes. */
  onDoubt: (hasJumped: boolean) => void = () => undefined;
  /** Called when those who wait would get another answer: timestamps, or later ones, or a refusal. */
  onChange: () => void = () => undefined;
  readonly #clock: Clock;
  readonly #clusterSize: number;
  readonly #maxDriftMs: number;
  readonly #earliestMs: number;
  readonly #latestMs: number;
  #state: ClockState = ClockState.unmeasured;
  #isKnown: boolean;
  /** Own time minus the monotonic time. */
  #offsetMs: number;
  #takenAtMs: number;
  /** Up to here own time may have been when the node started; less when that is known. */
  #reservedOffsetMs: number;
  readonly #step: ClockStep;
  /** When the wall clock's offset is outside of these two, it has changed since it was measured. */
  #lowOffsetMs = NO_OFFSET;
  #highOffsetMs = Number.POSITIVE_INFINITY;
  /** Small differences are followed up to here; -Infinity: not now. */
  #followOffsetMs = NO_OFFSET;
  readonly #peers = new Map<string, PeerClock>();
  #agreement: Agreement | null = null;
  #isNonsense = false;
  /** Measurements that found too few clocks to know a time by. */
  #rounds = 0;
  /** While own time is not known: since when most of the clocks agree; -1: they do not. */
  #mostSinceMs = -1;
  /** How many measurements in a row found the clock wrong since it last jumped. */
  #doubts = 0;
  /** Whether there was a refusal when those who wait were last told. */
  #hasRefused = false;

  constructor(options: OwnTimeOptions) {
    const { clock, clusterSize, maxDriftMs, reachedMs, reservedMs } = options;
    this.#clock = clock;
    this.#clusterSize = clusterSize;
    this.#maxDriftMs = maxDriftMs;
    this.#step = new ClockStep(clusterSize, maxDriftMs);
    this.#earliestMs = options.earliestMs;
    this.#latestMs = options.latestMs;
    this.#isKnown = reachedMs > 0;
    const atMs = clock.monotonicMs();
    const wallMs = clock.nowMs();
    // Nobody has confirmed the wall clock yet: a time that is ahead would go on for good, in others too.
    this.#offsetMs = (this.#isKnown ? reachedMs : wallMs) - atMs;
    this.#reservedOffsetMs = reservedMs - atMs;
    this.#takenAtMs = atMs;
    this.#center(wallMs - atMs);
    // A node without peers has nobody to ask.
    if (clusterSize === 1) this.#judge(atMs, wallMs - atMs, true);
  }

  get state(): ClockState {
    return this.#state;
  }

  /** Whether own time is known. Once it is, it never goes back. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** Own time, in ms since the Unix epoch. */
  read(): number {
    const atMs = this.#clock.monotonicMs();
    const wallOffsetMs = this.#clock.nowMs() - atMs;
    if (wallOffsetMs < this.#lowOffsetMs || wallOffsetMs > this.#highOffsetMs)
      this.#jumped(atMs, wallOffsetMs);
    this.#follow(atMs, wallOffsetMs);
    return atMs + this.#offsetMs;
  }

  /**
   * Takes the accepted step if a peer has taken it.
   * @param issuedMs the time of a timestamp that the peer issued, in ms since the Unix epoch
   */
  takeStepTo(issuedMs: number): boolean {
    const isBehind = this.#step.leadsTo(issuedMs - this.#takenAtMs);
    if (isBehind) this.#moveTo(this.#step.acceptOffsetMs);
    return isBehind;
  }

  /** The answer to a peer that measures this node's clock. */
  reading(): ClockReading {
    const ownMs = this.read();
    const wallMs = this.#clock.nowMs();
    if (!this.#isKnown) return { wallMs, ownMs: 0, acceptMs: 0 };
    return { wallMs, ownMs, acceptMs: Math.max(ownMs, this.#takenAtMs + this.#step.acceptOffsetMs) };
  }

  /** A peer's clock was measured. */
  heard(peerId: string, clock: PeerClock): void {
    this.#peers.set(peerId, clock);
  }

  /**
   * Judges the clock by what was measured.
   * @param isComplete every peer that was asked has answered, or will not
   * @returns whether the judgement must be repeated soon
   */
  judge(isComplete: boolean): boolean {
    const atMs = this.#clock.monotonicMs();
    const wallOffsetMs = this.#clock.nowMs() - atMs;
    if (wallOffsetMs < this.#lowOffsetMs || wallOffsetMs > this.#highOffsetMs) {
      this.#jumped(atMs, wallOffsetMs);
      return true;
    }
    this.#follow(atMs, wallOffsetMs);
    this.#judge(atMs, wallOffsetMs, isComplete);
    return this.#state !== ClockState.right || (!this.#isKnown && this.#mostSinceMs >= 0);
  }

  get #isRefusing(): boolean {
    return this.#state === ClockState.off || (!this.#isKnown && this.#rounds >= PATIENT_ROUNDS);
  }

  /** A sentence that says why there are no timestamps; undefined while there are, or will be in a moment. */
  get refusal(): string | undefined {
    if (!this.#isRefusing) return undefined;
    if (this.#state === ClockState.off) return this.#isNonsense ? this.#nonsense() : this.#difference();
    return `This node has a new data folder and does not know the time yet: it takes writes once it has seen the clocks of more than half of the ${this.#clusterSize} nodes of the cluster`;
  }

  /** For the status page. */
  figures(): Record<string, unknown> {
    const ownMs = this.read();
    const atMs = this.#takenAtMs;
    const wallMs = this.#clock.nowMs();
    const states = ['right', 'unmeasured', 'off'];
    const peersAheadMs = this.#fresh(atMs).map(({ wallOffsetMs }) =>
      Math.round(wallOffsetMs + atMs - wallMs),
    );
    const state = this.#isKnown ? states[this.#state] : 'unmeasured';
    return { state, ownTimeAheadMs: Math.round(ownMs - wallMs), peersAheadMs };
  }

  #follow(atMs: number, wallOffsetMs: number): void {
    if (!this.#isKnown) {
      // No timestamp was issued by it, so it may still change freely.
      this.#offsetMs = wallOffsetMs;
    } else if (wallOffsetMs > this.#offsetMs) {
      const offsetMs = wallOffsetMs < this.#followOffsetMs ? wallOffsetMs : this.#followOffsetMs;
      const aheadMs = offsetMs - this.#offsetMs;
      if (aheadMs > 0 && aheadMs <= slackMs(this.#maxDriftMs)) this.#offsetMs = offsetMs;
    } else if (this.#state === ClockState.right) {
      // All nodes do the same, because the others' clocks agree with this one.
      const behindMs = this.#offsetMs - wallOffsetMs;
      if (behindMs > WALL_GRAIN_MS) this.#offsetMs -= Math.min(behindMs, (atMs - this.#takenAtMs) * SLOWING);
    }
    this.#takenAtMs = atMs;
  }

  #jumped(atMs: number, wallOffsetMs: number): void {
    this.#center(wallOffsetMs);
    this.#followOffsetMs = NO_OFFSET;
    const wasAlone = this.#state === ClockState.right && this.#fresh(atMs).length === 0;
    // When all clocks have jumped together, earlier measurements are no longer true.
    this.#peers.clear();
    if (wasAlone || this.#clusterSize === 1) {
      this.#judge(atMs, wallOffsetMs, true);
      return;
    }
    if (this.#state === ClockState.right) this.#become(ClockState.unmeasured, false);
    this.onDoubt(true);
  }

  #center(wallOffsetMs: number): void {
    this.#lowOffsetMs = wallOffsetMs - slackMs(this.#maxDriftMs);
    this.#highOffsetMs = wallOffsetMs + slackMs(this.#maxDriftMs);
  }

  #fresh(atMs: number): PeerClock[] {
    return [...this.#peers.values()].filter(({ takenAtMs }) => atMs - takenAtMs <= READING_LIFE_MS);
  }

  #judge(atMs: number, wallOffsetMs: number, isComplete: boolean): void {
    const peers = this.#fresh(atMs);
    const agreement = compareClocks(wallOffsetMs, peers, this.#maxDriftMs);
    const wallMs = atMs + wallOffsetMs;
    this.#isNonsense = wallMs < this.#earliestMs || wallMs > this.#latestMs;
    const isMajority = isMost(1 + agreement.agreeing, this.#clusterSize);
    if (!isMajority && !isComplete) return;
    this.#agreement = agreement;
    const beforeMs = this.#offsetMs;
    if (!this.#isNonsense && (isMajority || 1 + agreement.agreeing > agreement.differing)) {
      this.#lowOffsetMs = agreement.lowOffsetMs;
      this.#highOffsetMs = agreement.highOffsetMs;
      // Not to the edge: peers, whose clocks differ too, must accept what is issued.
      this.#followOffsetMs = agreement.highOffsetMs - this.#maxDriftMs / 4;
      this.#doubts = 0;
      this.#findTime(atMs, wallOffsetMs, peers, isMajority, isComplete);
      this.#become(ClockState.right, this.#offsetMs > beforeMs);
      return;
    }
    this.#center(wallOffsetMs);
    this.#followOffsetMs = NO_OFFSET;
    this.#step.notSeen();
    this.#findTime(atMs, wallOffsetMs, peers, false, isComplete);
    // Clocks that jump together do not jump at the same moment, so a second measurement must confirm it.
    const isSure = ++this.#doubts > 1 || this.#isNonsense || this.#state === ClockState.off;
    this.#become(isSure ? ClockState.off : ClockState.unmeasured, this.#offsetMs > beforeMs);
  }

  /** The end of every judgement, also of one that finds nothing new, because a refusal may come with time alone. */
  #become(state: ClockState, hasMoved: boolean): void {
    this.#state = state;
    const mayIssue = state === ClockState.right && this.#isKnown;
    const hasMore = mayIssue && (hasMoved || !this.mayIssue);
    const hasRefusal = this.#isRefusing && !this.#hasRefused;
    this.mayIssue = mayIssue;
    this.#hasRefused = this.#isRefusing;
    if (hasMore || hasRefusal) this.onChange();
  }

  /** Decides whether own time has to change. */
  #findTime(
    atMs: number,
    wallOffsetMs: number,
    peers: readonly PeerClock[],
    isMajority: boolean,
    isComplete: boolean,
  ): void {
    const owns = peers.map((peer) => surelyReached(peer, atMs)).filter((offsetMs) => offsetMs !== NO_OFFSET);
    const others = this.#clusterSize - 1;
    const commonMs = reachedBy(owns, Math.floor(others / 2) + 1);
    if (!this.#isKnown) {
      const mayBegin = this.#mayBegin(atMs, peers.length, isMajority, isComplete);
      if (commonMs !== NO_OFFSET) this.#offsetMs = commonMs;
      else if (mayBegin) this.#offsetMs = owns.length > 0 ? Math.max(...owns) : wallOffsetMs;
      else return;
      this.#isKnown = true;
    }
    if (commonMs - this.#offsetMs > this.#maxDriftMs) this.#moveTo(commonMs);
    if (isMajority) this.#beginAt(wallOffsetMs);
    for (const peer of peers) {
      const reachedMs = surelyReached(peer, atMs);
      if (this.#isRightBefore(wallOffsetMs, peer, reachedMs)) this.#moveTo(reachedMs);
    }
    const isAhead = wallOffsetMs - this.#offsetMs > slackMs(this.#maxDriftMs);
    if (!isAhead || !isMajority) this.#step.notSeen();
    else if (this.#step.seen(atMs, wallOffsetMs, peers)) this.#moveTo(wallOffsetMs);
    // It goes to the step that this node has prepared itself, so an error of the measurement does not add up.
    if (this.#step.isTakenBy(peers, atMs)) this.#moveTo(this.#step.acceptOffsetMs);
  }

  /** Whether it may begin without a time that most of the others have: those that have not answered may know one. */
  #mayBegin(atMs: number, heard: number, isMajority: boolean, isComplete: boolean): boolean {
    if (!isMajority) {
      this.#mostSinceMs = -1;
      if (isComplete) this.#rounds++;
      return false;
    }
    if (this.#mostSinceMs < 0) this.#mostSinceMs = atMs;
    return isComplete && (heard === this.#clusterSize - 1 || atMs - this.#mostSinceMs >= OTHERS_PATIENCE_MS);
  }

  /** Whether the peer's own time is right: it is a little later than this node's. */
  #isRightBefore(
    wallOffsetMs: number,
    { wallOffsetMs: theirs, uncertaintyMs }: PeerClock,
    reachedMs: number,
  ): boolean {
    const aheadMs = reachedMs - this.#offsetMs;
    if (aheadMs > LOST_BY_START_MS + 2 * this.#maxDriftMs) return false;
    if (Math.abs(theirs - wallOffsetMs) > this.#maxDriftMs + uncertaintyMs) return false;
    // When own time follows the wall clock, it differs from others' as the wall clocks do. When it does not, nothing
    // else brings the nodes together.
    const hangsOnWall = Math.abs(wallOffsetMs - this.#offsetMs) <= slackMs(this.#maxDriftMs);
    return aheadMs > (hangsOnWall ? this.#maxDriftMs : NOISE_MS);
  }

  /** The wall clock is confirmed for the first time since the start: own time goes up to it, but not beyond what was reserved. */
  #beginAt(wallOffsetMs: number): void {
    const offsetMs = Math.min(wallOffsetMs, this.#reservedOffsetMs);
    this.#reservedOffsetMs = NO_OFFSET;
    if (offsetMs > this.#offsetMs) this.#moveTo(offsetMs);
  }

  #moveTo(offsetMs: number): void {
    this.#offsetMs = Math.max(this.#offsetMs, offsetMs);
    this.#step.end();
  }

  #difference(): string {
    const { aheadMs, agreeing, differing } = this.#agreement as Agreement;
    const many = `${differing} of the ${agreeing + differing} other clocks that it sees`;
    const by = `${Math.abs(Math.round(aheadMs))} ms or more ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
    return `The clock of this node is ${by} ${many}, and at most ${this.#maxDriftMs} ms are allowed: it takes no writes until the clocks agree. Set them right (NTP)`;
  }

  #nonsense(): string {
    return `The clock of this node shows ${new Date(this.#clock.nowMs()).toISOString()}, which cannot be: it takes no writes until the clock is right. Set it right (NTP)`;
  }
}
