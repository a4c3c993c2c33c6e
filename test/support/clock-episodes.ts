/**
 * What happens to the clocks of a cluster, at random. One or all jump and come back, run fast or slow, or are set for
 * good, by milliseconds to days, while nodes are killed and started again. Pure.
 */
import type { Random } from '../../src/clock.ts';

export interface EpisodeStep {
  readonly atMs: number;
  readonly node: number;
  readonly action:
    | { readonly do: 'set'; readonly offsetMs: number; readonly driftMsPerS: number }
    | { readonly do: 'kill' | 'start' | 'freeze' | 'thaw' };
}

export interface Episode {
  /** A description for people. */
  readonly name: string;
  /** In order of time. At the end all nodes run, and all clocks are right. */
  readonly steps: readonly EpisodeStep[];
  readonly lastsMs: number;
  /** The right clock from then on: what all clocks show, minus the time before the first episode. */
  readonly rightOffsetMs: number;
}

const DAY_MS = 86_400_000;
/** Right clocks stay within these bounds around the time before the first episode. */
const EARLIEST_MS = -150 * DAY_MS;
const LATEST_MS = 3_000 * DAY_MS;
const MAX_JUMP_DAYS = 30;

const KINDS = ['one', 'all', 'good', 'drift', 'differences'] as const;

export type EpisodeKind = (typeof KINDS)[number];

/**
 * @param rightOffsetMs the right clock now
 * @param chosen drawn as well when left out
 */
export function drawEpisode(
  random: Random,
  nodes: number,
  rightOffsetMs: number,
  chosen?: EpisodeKind,
): Episode {
  const between = (low: number, high: number): number => low + random() * (high - low);
  const kind = chosen ?? KINDS[Math.floor(random() * KINDS.length)];
  const node = Math.floor(random() * nodes);
  const all = Array.from({ length: nodes }, (_, i) => i);
  const jumpMs = drawJump(random);
  const steps: EpisodeStep[] = [];
  const set = (atMs: number, which: number, offsetMs: number, driftMsPerS = 0): void =>
    void steps.push({ atMs, node: which, action: { do: 'set', offsetMs, driftMsPerS } });
  let endsMs = between(300, 4_000);
  let right = rightOffsetMs;
  let name: string;
  if (kind === 'one') {
    name = `clock ${node} jumps by ${jumpMs} ms`;
    set(between(50, 300), node, right + jumpMs);
  } else if (kind === 'all') {
    endsMs = between(300, 8_000);
    name = `all clocks jump by ${jumpMs} ms`;
    for (const each of all) set(between(50, 150), each, right + jumpMs);
  } else if (kind === 'good') {
    endsMs = between(300, 8_000);
    const target = right + jumpMs;
    right = target < EARLIEST_MS || target > LATEST_MS ? right - jumpMs : target;
    name = `all clocks are set by ${right - rightOffsetMs} ms, for good`;
    for (const each of all) set(between(50, 150), each, right);
  } else if (kind === 'drift') {
    const driftMsPerS = between(-300, 300);
    name = `clock ${node} runs ${driftMsPerS.toFixed(0)} ms a second wrong`;
    set(50, node, right, driftMsPerS);
  } else {
    name = 'clocks differ by less than the drift allowed';
    for (const each of all) set(50, each, right + between(-200, 200));
  }
  name += ` for ${(endsMs / 1000).toFixed(1)} s`;
  let lastsMs = endsMs;
  for (const each of all) {
    const atMs = endsMs + between(0, 60);
    set(atMs, each, right);
    lastsMs = Math.max(lastsMs, atMs);
  }
  const stopped = random();
  const victims = stopped < 0.15 ? all : stopped < 0.6 ? [Math.floor(random() * nodes)] : [];
  const isFrozen = victims.length === 1 && random() < 0.25;
  for (const each of victims) {
    const atMs = between(0, endsMs);
    const backMs = atMs + between(50, 1_500);
    steps.push({ atMs, node: each, action: { do: isFrozen ? 'freeze' : 'kill' } });
    steps.push({ atMs: backMs, node: each, action: { do: isFrozen ? 'thaw' : 'start' } });
    lastsMs = Math.max(lastsMs, backMs);
  }
  if (victims.length > 0) name += `, ${isFrozen ? 'frozen' : 'killed'}: ${victims.join(' ')}`;
  steps.sort((a, b) => a.atMs - b.atMs);
  return { name, steps, lastsMs, rightOffsetMs: right };
}

/** Some milliseconds are as likely as some days, forward and back. */
function drawJump(random: Random): number {
  const sizeMs = Math.round(Math.exp(random() * Math.log(MAX_JUMP_DAYS * DAY_MS)));
  return random() < 0.5 ? sizeMs : -sizeMs;
}
