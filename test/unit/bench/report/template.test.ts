import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fillTemplate } from '../../../../bench/report/template.ts';

const FIGURES = new Map([
  ['put.parallel.rate', 10_500],
  ['put.sequential.rate', 8_000],
  ['get.parallel.p99Ms', 6.789],
  ['get.notFoundShare', 0.2309],
]);

function fill(template: string, isJudged = true) {
  return fillTemplate(template, {
    figures: FIGURES,
    isJudged,
    block: (kind, name) => {
      if (kind !== 'table') throw new Error(`there is no ${kind}: ${name}`);
      return `<${name}>`;
    },
  });
}

describe('in the text of a report', () => {
  test('figures have their unit, ratios have none, and blocks are put in whole', () => {
    const { faults, text } = fill(
      'PUT {{put.parallel.rate}}, p99 {{ get.parallel.p99Ms }}, {{get.notFoundShare}} absent, {{put.parallel.rate / put.sequential.rate}} times\n\n{{table: rates}}',
    );
    assert.deepEqual(faults, []);
    assert.equal(text, 'PUT 10,500/s, p99 6.79 ms, 23.1 % absent, 1.31 times\n\n<rates>');
  });

  test('a claim that holds shows what it names', () => {
    const { faults, text } = fill('Parallel wins {{claim: put.parallel.rate > 1.2 * put.sequential.rate}}.');
    assert.deepEqual(faults, []);
    assert.equal(
      text,
      'Parallel wins (`put.parallel.rate` > `1.2 * put.sequential.rate`: 10,500/s against 9,600/s).',
    );
  });

  test('a number in a claim is told in the unit of the figure, and a ratio has none', () => {
    const { text } = fill(
      '{{claim: get.notFoundShare < 0.25}} {{claim: put.parallel.rate / put.sequential.rate > 1.2}} {{claim: 5 < get.parallel.p99Ms}}',
    );
    assert.match(text, /23\.1 % against 25 %\) .*1\.31 against 1\.2\) .*5 ms against 6\.79 ms\)/);
  });

  test('a claim that does not hold is a fault that names line, sentence and both values', () => {
    const { faults } = fill(
      '# Title\n\nBoth were measured. Asking one after the other\nwins here {{claim: put.parallel.rate < put.sequential.rate}}.',
    );
    assert.deepEqual(faults, [
      'line 4: "Asking one after the other wins here" claims put.parallel.rate < put.sequential.rate, but measured was 10,500/s against 8,000/s',
    ]);
  });

  test('the second claim of a sentence is told with the whole sentence', () => {
    const { faults } = fill(
      'It is faster {{claim: put.parallel.rate > put.sequential.rate}} and twice as fast {{claim: put.parallel.rate > 2 * put.sequential.rate}}.',
    );
    assert.equal(faults.length, 1);
    assert.match(faults[0], /^line 1: "It is faster and twice as fast" claims/);
  });

  test('what was not measured is a fault, in a claim and as a figure', () => {
    const { faults, text } = fill(
      'It is {{get.hedged.rate}}, more {{claim: get.hedged.rate > put.parallel.rate}}.',
    );
    assert.deepEqual(faults, [
      'line 1: "It is" names get.hedged.rate, which was not measured',
      'line 1: "It is , more" claims get.hedged.rate > put.parallel.rate, but get.hedged.rate was not measured',
    ]);
    assert.match(
      text,
      /^It is not measured, more \(`get\.hedged\.rate` > `put\.parallel\.rate`: not measured\)\.$/,
    );
  });

  test('claims of a small run are shown and not judged, but must be claims', () => {
    const wrong = '{{claim: put.parallel.rate < put.sequential.rate}} {{get.hedged.rate}}';
    assert.deepEqual(fill(wrong, false).faults, []);
    assert.match(fill(wrong, false).text, /10,500\/s against 8,000\/s, not judged/);
    assert.match(fill('{{claim: put.parallel.rate}}', false).faults[0], /^line 1: expected < or >/);
  });

  test('what there is not is a fault', () => {
    assert.deepEqual(fill('a\n{{plot: nothing}}').faults, ['line 2: there is no plot: nothing']);
  });
});
