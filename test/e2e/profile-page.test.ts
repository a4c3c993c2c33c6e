/** The pages of `profile`, as a browser shows them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { ProfileFolder, ProfileSummary } from '../../src/cli/profile/profile-folder.ts';
import { differencePage, differencesOf, viewFilesOf } from '../../src/cli/profile/view/views.ts';
import { openPage } from '../support/browser.ts';
import { cpuProfile, oneThread } from '../support/profile-by-hand.ts';

const NAME = '</script><script>document.title="x"</script>';

function folder(stacks: readonly (readonly [string, number])[]): ProfileFolder {
  const summary = {
    load: `put of ${NAME}`,
    runtime: 'Node 26',
    machine: 'a machine',
    kinds: ['cpu'],
    runs: [{ kind: 'cpu', requests: 1_000 }],
  } as unknown as ProfileSummary;
  return { summary, nodes: oneThread({ cpu: cpuProfile(stacks) }) };
}

interface Read {
  readonly title: string;
  readonly text: string;
  readonly scripts: number;
  readonly others: number;
  /** Of each graph its boxes: name, share of the whole width, colour. */
  readonly graphs: readonly (readonly (readonly [name: string, share: number, color: string])[])[];
  readonly found: readonly number[];
  readonly details: readonly string[];
  readonly highlighted: readonly string[];
}

const READ = `(() => {
  const boxes = (svg) => [...svg.querySelectorAll('g.frame')].map((g) => {
    const whole = Number(svg.querySelector('g.frame rect').closest('svg').getAttribute('width'));
    const rect = g.querySelector('rect');
    return [g.getAttribute('name'), Number(rect.getAttribute('width')) / whole, rect.getAttribute('fill')];
  });
  window.flameGraphs.search('HOT');
  // Boxes grow to their width, which takes longer on a busy machine; d3 marks what still changes.
  const isStill = () => [...document.querySelectorAll('#graphs *')].every((node) => node.__transition === undefined);
  const still = async () => {
    for (let looks = 0; looks < 300; looks++) {
      await new Promise((later) => setTimeout(later, 100));
      if (isStill()) return;
    }
  };
  return still().then(() => ({
    title: document.title,
    text: document.body.innerText,
    scripts: document.querySelectorAll('script').length,
    others: document.querySelectorAll('script[src], link[href], img, iframe').length,
    graphs: [...document.querySelectorAll('#graphs svg')].map(boxes),
    found: window.flameGraphs.found,
    details: [...document.querySelectorAll('.details')].map((p) => p.textContent),
    highlighted: [...document.querySelectorAll('g.frame')]
      .filter((g) => g.querySelector('rect').getAttribute('fill') === '#e600e6').map((g) => g.getAttribute('name')),
  }));
})()`;

async function read(html: string): Promise<Read> {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-page-'));
  try {
    const file = join(directory, 'graph.html');
    writeFileSync(file, html);
    await using page = await openPage(pathToFileURL(file).href);
    return (await page.evaluate(READ)) as Read;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const STACKS = [
  ['hot@/q/src/a.ts:1', 60],
  ['cold@/q/src/a.ts:9', 30],
  [`${NAME}@/q/src/a.ts:20`, 10],
] as const;

test('a page shows each function as wide as its share, and finds it', async () => {
  const page = (await viewFilesOf(folder(STACKS))).get('cpu.html');
  assert.ok(page !== undefined && page.length < 2 ** 20, 'one page below 1 MiB');
  const { details, found, graphs, highlighted, others, scripts, text, title } = await read(page);
  assert.deepEqual([title, scripts, others], ['CPU time', 2, 0], 'it needs no other file');
  const [boxes] = graphs;
  for (const [name, share] of [
    ['all nodes', 1],
    ['node-1', 1],
    ['main', 1],
    ['hot src/a.ts:1', 0.6],
    ['cold src/a.ts:9', 0.3],
    [`${NAME} src/a.ts:20`, 0.1],
  ] as const) {
    const box = boxes.find(([named]) => named === name);
    assert.ok(box !== undefined && Math.abs(box[1] - share) < 0.005, `${name}: ${box?.[1]}`);
  }
  assert.equal(boxes.length, 6);
  assert.ok(Math.abs(found[0] - 0.6) < 1e-9, `found ${found}`);
  assert.match(details[0], /^found 60 ms, 60\.00 % of the whole$/);
  assert.deepEqual(highlighted, ['hot src/a.ts:1']);
  assert.match(text, /hot src\/a\.ts\s+60 ms\s+60\.0 %/);
});

test('a page of two profiles shows in red what has grown and in blue what has shrunk', async () => {
  const before = folder(STACKS);
  const after = folder([
    ['hot@/q/src/a.ts:2', 30],
    ['cold@/q/src/a.ts:9', 30],
    ['fresh@/q/src/a.ts:50', 40],
  ]);
  const html = await differencePage(before, after, differencesOf(before, after, 'request'));
  const { graphs, text } = await read(html);
  assert.equal(graphs.length, 2);
  const color = (graph: number, name: string): string =>
    graphs[graph].find(([named]) => named === name)?.[2] ?? 'nowhere';
  const redness = (value: string): number => {
    const [, red, , blue] = /^rgb\((\d+),(\d+),(\d+)\)$/.exec(value) ?? [];
    return Number(red) - Number(blue);
  };
  assert.ok(redness(color(0, 'fresh src/a.ts')) > 100, color(0, 'fresh src/a.ts'));
  assert.equal(redness(color(0, 'cold src/a.ts')), 0);
  assert.ok(redness(color(1, `${NAME} src/a.ts`)) < -100, color(1, `${NAME} src/a.ts`));
  assert.match(text, /fresh src\/a\.ts\s+0\.00\s+40\.00\s+\+40\.00/);
  assert.match(text, /hot src\/a\.ts\s+60\.00\s+30\.00\s+-30\.00/);
});
