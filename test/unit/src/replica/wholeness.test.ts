import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_STARTS, withStart } from '../../../../src/folder-history.ts';
import {
  beginWholeness,
  declareFilled,
  type Greeting,
  hearGreeting,
  hearNews,
  judgePeer,
  rememberedOf,
  type Wholeness,
} from '../../../../src/replica/wholeness.ts';

/** By the wall clock. */
const NOW_MS = 1_000;

function fresh(nodeId: string, clusterSize: number, incarnation = `${nodeId}-1`): Wholeness {
  return beginWholeness({
    nodeId,
    incarnation,
    clusterSize,
    whole: 'unproven',
    declaredMs: 0,
    missing: null,
    history: withStart({ progress: 0, starts: [] }, nextStartId()),
    remembered: {},
  });
}

let lastStart = 0;

function nextStartId(): number {
  return ++lastStart;
}

/** A peer that says nothing of us. */
function hello(nodeId: string, changes: Partial<Greeting> = {}): Greeting {
  const history = { progress: 1, starts: [{ id: 1, from: 1 }] };
  return { nodeId, incarnation: `${nodeId}-1`, history, declaredMs: 0, remembered: null, ...changes };
}

/** What `from` says to `to`. */
function greeting(from: Wholeness, to: Wholeness): Greeting {
  return {
    nodeId: from.nodeId,
    incarnation: from.incarnation,
    history: from.history,
    declaredMs: from.declaredMs,
    remembered: rememberedOf(from, to.nodeId),
  };
}

/** A restart keeps what is in the identity and nothing else. */
function restarted({ agreeing: _, ...kept }: Wholeness): Wholeness {
  return beginWholeness({ ...kept, history: withStart(kept.history, nextStartId()) });
}

/** Takes writes for a while. */
function advanced(state: Wholeness): Wholeness {
  const { progress, starts } = state.history;
  return { ...state, history: { progress: progress + 1, starts } };
}

class Cluster {
  states: Wholeness[];
  readonly links: [number, number][] = [];

  constructor(size: number) {
    this.states = Array.from({ length: size }, (_, i) => fresh(`n${i}`, size));
    for (let a = 0; a < size; a++) for (let b = 0; b < a; b++) this.links.push([a, b]);
  }

  /** Both greetings are written before either is heard, as on a real connection. */
  meet(a: number, b: number): void {
    const toB = greeting(this.states[a], this.states[b]);
    const toA = greeting(this.states[b], this.states[a]);
    this.states[a] = hearGreeting(this.states[a], toA, NOW_MS);
    this.states[b] = hearGreeting(this.states[b], toB, NOW_MS);
  }

  meetAll(): void {
    for (const [a, b] of this.links) this.meet(a, b);
  }

  whole(): string[] {
    return this.states.map((state) => state.whole);
  }
}

test('a cluster of one is whole at once; a larger one is not', () => {
  assert.equal(fresh('a', 1).whole, 'whole');
  for (const size of [2, 3, 5]) assert.equal(fresh('a', size).whole, 'unproven');
});

test('a new node is whole at the greeting that completes the cluster, not before', () => {
  for (const [size, needed] of [
    [2, 1],
    [3, 2],
    [4, 3],
    [7, 6],
  ]) {
    let state = fresh('a', size);
    for (let heard = 1; heard <= needed; heard++) {
      assert.equal(state.whole, 'unproven');
      const greeted = hello(`p${heard}`);
      state = hearGreeting(hearGreeting(state, greeted, NOW_MS), greeted, NOW_MS);
    }
    assert.equal(state.whole, 'whole');
  }
});

test('a peer that greets a hundred times is one peer', () => {
  let state = fresh('a', 5);
  for (let i = 0; i < 100; i++) {
    state = hearGreeting(state, hello('p'), NOW_MS);
  }
  assert.equal(state.whole, 'unproven');
});

test('new clusters of any size are whole after any order of first handshakes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }).chain((size) => {
        const { links } = new Cluster(size);
        return fc.tuple(fc.constant(size), fc.shuffledSubarray(links, { minLength: links.length }));
      }),
      ([size, order]) => {
        const cluster = new Cluster(size);
        for (const [a, b] of order) cluster.meet(a, b);
        assert.ok(cluster.whole().every((whole) => whole === 'whole'));
        for (const state of cluster.states) assert.equal(Object.keys(state.remembered).length, size - 1);
      },
    ),
  );
});

test('restarts never make a whole node doubt itself', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 5 }),
      fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 4 }), fc.nat({ max: 2 })), { maxLength: 40 }),
      (size, steps) => {
        const cluster = new Cluster(size);
        cluster.meetAll();
        for (const [a, b, step] of steps) {
          if (step === 0) cluster.states[a % size] = restarted(cluster.states[a % size]);
          else if (step === 1) cluster.states[a % size] = advanced(cluster.states[a % size]);
          else if (a % size !== b % size) cluster.meet(a % size, b % size);
        }
        assert.ok(cluster.whole().every((whole) => whole === 'whole'));
      },
    ),
  );
});

test('an emptied folder is found out by every peer, whoever greets first, and never forgotten by a restart', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 5 }),
      fc.nat({ max: 4 }),
      fc.array(fc.tuple(fc.nat({ max: 4 }), fc.boolean()), { minLength: 1, maxLength: 20 }),
      (size, victim, steps) => {
        const lost = victim % size;
        const cluster = new Cluster(size);
        cluster.meetAll();
        cluster.states[lost] = fresh(`n${lost}`, size, 'second');
        assert.equal(cluster.states[lost].whole, 'unproven');
        for (const [other, restart] of steps) {
          const peer = other % size;
          if (restart) cluster.states[peer] = restarted(cluster.states[peer]);
          else if (peer !== lost) {
            cluster.meet(peer, lost);
            assert.equal(cluster.states[lost].whole, 'incomplete');
          }
          assert.notEqual(cluster.states[lost].whole, 'whole');
        }
        cluster.meetAll();
        assert.deepEqual(
          cluster.whole(),
          cluster.states.map((_, i) => (i === lost ? 'incomplete' : 'whole')),
        );
        // Now that it knows, the peers remember the folder that is there.
        cluster.meetAll();
        for (const [i, state] of cluster.states.entries()) {
          if (i !== lost) assert.equal(rememberedOf(state, `n${lost}`)?.incarnation, 'second');
        }
      },
    ),
  );
});

test('once declared whole it stays so, and the peers take its new incarnation', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  cluster.states[0] = fresh('n0', 3, 'second');
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['incomplete', 'whole', 'whole']);
  cluster.states[0] = restarted({ ...cluster.states[0], whole: 'whole', declaredMs: 5, missing: null });
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['whole', 'whole', 'whole']);
  for (const peer of [1, 2]) assert.equal(rememberedOf(cluster.states[peer], 'n0')?.incarnation, 'second');
  // Emptied once more, it is found out once more.
  cluster.states[0] = fresh('n0', 3, 'third');
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['incomplete', 'whole', 'whole']);
});

test('an emptied folder that is put back to a copy while it is refilled is found out, and lacks something else then', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  cluster.states[0] = fresh('n0', 3, 'second');
  cluster.meetAll();
  const lack = cluster.states[0].declaredMs;
  assert.ok(lack > 0);
  // The peers are told of it as of any progress.
  const { nodeId, incarnation, declaredMs } = cluster.states[0];
  const copy = cluster.states[0];
  const { history } = advanced(copy);
  for (const peer of [1, 2])
    cluster.states[peer] = hearNews(cluster.states[peer], { nodeId, incarnation, declaredMs, history });
  cluster.states[0] = restarted(copy);
  cluster.meetAll();
  assert.equal(cluster.states[0].whole, 'incomplete');
  assert.ok(cluster.states[0].declaredMs > lack);
  // A restart alone lacks nothing more.
  const again = cluster.states[0].declaredMs;
  cluster.meetAll();
  cluster.states[0] = restarted(advanced(cluster.states[0]));
  cluster.meetAll();
  assert.equal(cluster.states[0].declaredMs, again);
});

test('a folder that has been refilled is whole for its peers too, and also for one that was away', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  cluster.states[0] = fresh('n0', 3, 'second');
  cluster.meet(0, 1);
  cluster.states[0] = declareFilled(cluster.states[0]);
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['whole', 'whole', 'whole']);
  assert.equal(rememberedOf(cluster.states[2], 'n0')?.incarnation, 'second');
  // The folder that it had at first lacks what was written since.
  cluster.states[0] = fresh('n0', 3);
  cluster.meetAll();
  assert.equal(cluster.states[0].whole, 'incomplete');
});

test('a node that never ran is no witness for one that was emptied', () => {
  const cluster = new Cluster(3);
  cluster.meet(0, 1);
  cluster.states[0] = fresh('n0', 3, 'second');
  cluster.meet(0, 2);
  assert.equal(cluster.states[0].whole, 'unproven');
  cluster.meet(0, 1);
  assert.equal(cluster.states[0].whole, 'incomplete');
});

test('a majority of emptied folders is found out when one comes back that remembers', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  cluster.states[0] = fresh('n0', 3, 'second');
  cluster.states[1] = fresh('n1', 3, 'second');
  cluster.meet(0, 1);
  assert.deepEqual(cluster.whole(), ['unproven', 'unproven', 'whole']);
  cluster.meet(1, 2);
  cluster.meet(0, 2);
  assert.deepEqual(cluster.whole(), ['incomplete', 'incomplete', 'whole']);
});

test('a peer with a folder that does not hold what is remembered is named, unless someone has vouched for it since', () => {
  const state = hearGreeting(fresh('a', 3), hello('b'), NOW_MS);
  assert.equal(judgePeer(state, hello('b')), 'known');
  assert.equal(judgePeer(state, hello('c')), 'known');
  const [emptied, older] = [
    hello('b', { incarnation: 'b-2' }),
    hello('b', { history: { progress: 1, starts: [{ id: 2, from: 1 }] } }),
  ];
  assert.equal(judgePeer(state, emptied), 'emptied');
  assert.equal(judgePeer(state, older), 'older');
  for (const greeted of [emptied, older]) {
    assert.equal(hearGreeting(state, greeted, NOW_MS), state, 'what is remembered stays');
    assert.equal(judgePeer(state, { ...greeted, declaredMs: 9 }), 'known');
    const declared = hearGreeting(state, { ...greeted, declaredMs: 9 }, NOW_MS);
    // The same word does not count twice: an older copy has it too.
    assert.equal(judgePeer(declared, { ...hello('b', { incarnation: 'b-0' }), declaredMs: 9 }), 'emptied');
  }
  // Names every object inherits are no node's.
  assert.equal(rememberedOf(state, 'constructor'), null);
});

test('what a peer remembers rises while it is told of progress, and never falls', () => {
  let state = hearGreeting(fresh('a', 3), hello('b'), NOW_MS);
  const starts = [{ id: 1, from: 1 }];
  const news = (nodeId: string, progress: number) => hello(nodeId, { history: { progress, starts } });
  state = hearNews(state, news('b', 8));
  assert.equal(rememberedOf(state, 'b')?.progress, 8);
  assert.equal(hearNews(state, news('b', 8)), state);
  assert.equal(hearNews(state, news('b', 7)), state);
  assert.equal(hearNews(state, news('c', 7)), state, 'it has not greeted');
});

/** Everything that a folder ever told of itself, as `start:progress`: a copy holds exactly this. */
class Folder {
  state: Wholeness;
  units: ReadonlySet<string>;

  constructor(state: Wholeness, units: ReadonlySet<string> = new Set()) {
    this.state = state;
    this.units = units;
    this.note();
  }

  note(): void {
    const { progress, starts } = this.state.history;
    this.units = new Set(this.units).add(`${starts.at(-1)?.id}:${progress}`);
  }
}

test('a folder put back is found out by exactly those peers that remember what it does not hold', () => {
  const step = fc.tuple(
    fc.constantFrom('start', 'advance', 'copy', 'put back', 'meet'),
    fc.nat({ max: 2 }),
    fc.nat({ max: 2 }),
  );
  let found = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const size = 3;
      const cluster = new Cluster(size);
      cluster.meetAll();
      const folders = cluster.states.map((state) => new Folder(state));
      const copies = folders.map(({ state, units }) => new Folder(state, units));
      for (const [kind, a, b] of steps) {
        const folder = folders[a];
        if (kind === 'start') folder.state = restarted(folder.state);
        else if (kind === 'advance') folder.state = advanced(folder.state);
        else if (kind === 'copy') copies[a] = new Folder(folder.state, folder.units);
        else if (kind === 'put back') {
          folders[a] = new Folder(restarted(copies[a].state), copies[a].units);
        } else if (a !== b) {
          const verdicts = [a, b].map((own, i) => {
            const known = rememberedOf(folders[[b, a][i]].state, `n${own}`);
            assert.ok(known !== null);
            return !folders[own].units.has(`${known.startId}:${known.progress}`);
          });
          const before = [a, b].map((own) => folders[own].state.whole === 'incomplete');
          cluster.states[a] = folders[a].state;
          cluster.states[b] = folders[b].state;
          cluster.meet(a, b);
          for (const [i, own] of [a, b].entries()) {
            folders[own].state = cluster.states[own];
            assert.equal(cluster.states[own].whole === 'incomplete', before[i] || verdicts[i]);
            if (verdicts[i]) found++;
          }
        }
        if (kind !== 'meet') folders[a].note();
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(found > 100, `${found} were found out`);
});

test('put back while its peers are down, started and written to again and again: found out when one returns', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  const copy = cluster.states[0];
  cluster.states[0] = advanced(copy);
  cluster.meetAll();
  cluster.states[0] = restarted(copy);
  for (let i = 0; i < 20; i++) cluster.states[0] = restarted(advanced(advanced(cluster.states[0])));
  assert.equal(cluster.states[0].whole, 'whole');
  cluster.meet(0, 1);
  assert.deepEqual(cluster.whole(), ['incomplete', 'whole', 'whole']);
  assert.equal(cluster.states[0].missing?.incarnation, 'n0-1');
});

test('all folders put back together, copied while stopped or at one moment, are whole', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  const copies = [...cluster.states];
  for (let node = 0; node < 3; node++) cluster.states[node] = restarted(advanced(cluster.states[node]));
  cluster.meetAll();
  for (let node = 0; node < 3; node++) cluster.states[node] = restarted(copies[node]);
  cluster.meetAll();
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['whole', 'whole', 'whole']);
});

test('a peer that was put back itself accuses nobody', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  const copy = cluster.states[1];
  for (let i = 0; i < 3; i++) {
    cluster.states = cluster.states.map((state) => restarted(advanced(state)));
    cluster.meetAll();
  }
  cluster.states[1] = restarted(copy);
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['whole', 'incomplete', 'whole']);
});

test('declared whole, a folder that was put back is known again as it is; put back once more, found out once more', () => {
  const cluster = new Cluster(3);
  cluster.meetAll();
  const copy = cluster.states[0];
  cluster.states[0] = advanced(copy);
  cluster.meetAll();
  cluster.states[0] = restarted(copy);
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['incomplete', 'whole', 'whole']);
  const declared = { ...cluster.states[0], whole: 'whole', declaredMs: 5, missing: null } as const;
  cluster.states[0] = restarted(declared);
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['whole', 'whole', 'whole']);
  cluster.states[0] = restarted(declared);
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['incomplete', 'whole', 'whole']);
});

test('a peer that was away for more starts than the list holds is no reason to doubt', () => {
  const cluster = new Cluster(2);
  cluster.meetAll();
  for (let i = 0; i < 3 * MAX_STARTS; i++) cluster.states[0] = restarted(cluster.states[0]);
  assert.equal(cluster.states[0].history.starts.length, MAX_STARTS);
  cluster.meetAll();
  assert.deepEqual(cluster.whole(), ['whole', 'whole']);
});
