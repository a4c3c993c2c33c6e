import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LimitedLog } from '../../../src/limited-log.ts';
import { FakeClock } from '../../../src/simulation/fake-clock.ts';
import { KeptLog } from '../../support/rpc-nodes.ts';

const PERIOD_MS = 60_000;

function setUp() {
  const clock = new FakeClock();
  const log = new KeptLog();
  return { clock, lines: log.lines, limited: new LimitedLog<'noise' | 'proof'>(log, clock, PERIOD_MS) };
}

test('one line a kind and period, and how many there were meanwhile', () => {
  const { clock, lines, limited } = setUp();
  for (let i = 0; i < 1_000; i++) limited.warn('noise', `noise ${i}`);
  limited.error('proof', 'a wrong proof');
  clock.advance(PERIOD_MS - 1);
  limited.warn('noise', 'too soon');
  clock.advance(1);
  limited.warn('noise', 'again');
  limited.error('proof', 'another');
  assert.deepEqual(lines, [
    'warn noise 0',
    'error a wrong proof',
    'warn again (and 1000 more since the last such message)',
    'error another',
  ]);
});

test('a reason is logged once for a node, and again when another came between, or it was over', () => {
  const { clock, lines, limited } = setUp();
  const say = (nodeId: string, reason: string): void => {
    limited.warnOf(nodeId, 'proof', reason, `${nodeId} ${reason} ${clock.monotonicMs() / PERIOD_MS}`);
    clock.advance(PERIOD_MS);
  };
  for (const reason of ['x', 'x', 'y', 'x', 'x']) say('n1', reason);
  say('n2', 'x');
  limited.forget('n1');
  say('n1', 'x');
  assert.deepEqual(lines, ['warn n1 x 0', 'warn n1 y 2', 'warn n1 x 3', 'warn n2 x 5', 'warn n1 x 6']);
});

test('a suppressed line of a node does not count as logged: it is logged when it comes again', () => {
  const { clock, lines, limited } = setUp();
  const comeBack = (): void => {
    for (const nodeId of ['n1', 'n2']) limited.warnOf(nodeId, 'proof', 'x', `${nodeId} is refused`);
  };
  comeBack();
  comeBack();
  assert.deepEqual(lines, ['warn n1 is refused']);
  clock.advance(PERIOD_MS);
  comeBack();
  comeBack();
  assert.deepEqual(lines.slice(1), ['warn n2 is refused (and 2 more since the last such message)']);
});

test('only a bounded number of nodes is remembered', () => {
  const { clock, lines, limited } = setUp();
  const say = (nodeId: string): void => {
    limited.warnOf(nodeId, 'proof', 'x', nodeId);
    clock.advance(PERIOD_MS);
  };
  for (let i = 0; i < 1_000; i++) say(`n${i}`);
  assert.equal(lines.length, 1_000);
  say('n999');
  assert.equal(lines.length, 1_000);
  say('n0');
  assert.equal(lines.length, 1_001, 'long forgotten');
});
