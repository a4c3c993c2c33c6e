/** How often threads that cannot be started are tried again, and when those who wait are told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineConditions } from '../../../../native-free-lsm/store/conditions.ts';
import { RoleStarts } from '../../../../native-free-lsm/store/role-starts.ts';
import { EngineSimulation } from '../../../support/engine-simulation.ts';

const CAUSE = new Error('EAGAIN');

function started() {
  const simulation = new EngineSimulation();
  const { clock } = simulation;
  const conditions = new EngineConditions(clock);
  const reports: string[] = [];
  const triedMs: number[] = [];
  const told: boolean[] = [];
  const state = { isPossible: false };
  const starts = new RoleStarts(
    'writer',
    { clock, conditions, report: (line) => void reports.push(line) },
    () => {
      triedMs.push(clock.monotonicMs());
      if (state.isPossible) starts.began();
      else told.push(starts.failed(CAUSE) !== undefined);
    },
  );
  const codes = (): string[] => conditions.list(() => true).map(({ code }) => code);
  return { simulation, starts, reports, triedMs, told, state, codes };
}

test('they are tried more and more rarely, for as long as it takes, and told of once', async () => {
  const { simulation, starts, reports, triedMs, told, state, codes } = started();
  assert.equal(starts.failed(CAUSE), undefined);
  await simulation.pass(60_000);
  assert.ok(triedMs.length > 25 && triedMs.length < 40, `${triedMs.length} tries in a minute`);
  assert.deepEqual(told.slice(0, 3), [false, true, true]);
  assert.deepEqual(codes(), ['WRITER_FAILING']);
  assert.equal(reports.length, 1);
  state.isPossible = true;
  await simulation.pass(10_000);
  assert.deepEqual(codes(), []);
  assert.equal(reports.length, 2);
  // From the beginning.
  state.isPossible = false;
  assert.equal(starts.failed(CAUSE), undefined);
  const before = triedMs.length;
  await simulation.pass(400);
  assert.equal(triedMs.length, before + 2);
  starts.close();
});

test('nothing is started after the end', async () => {
  const { simulation, starts, triedMs } = started();
  starts.failed(CAUSE);
  starts.close();
  await simulation.pass(1000);
  assert.deepEqual(triedMs, []);
  assert.equal(starts.failed(CAUSE), undefined);
});
