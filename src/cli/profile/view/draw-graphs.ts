/**
 * What the page of a flame graph does, in the browser: this function is put into the page as text, so it uses nothing but
 * its arguments.
 */
import type { GraphNode } from './graph-node.ts';

/** A box of d3-flame-graph, as far as it is used. */
interface Box {
  readonly data: GraphNode;
  readonly parent: Box | null;
  readonly value: number;
  readonly highlight?: boolean;
}

/** The calls of d3-flame-graph that are used; each returns the chart. */
interface Chart {
  (selection: unknown): void;
  width(px: number): Chart;
  cellHeight(px: number): Chart;
  minFrameSize(px: number): Chart;
  transitionDuration(ms: number): Chart;
  inverted(isInverted: boolean): Chart;
  sort(compare: (a: Box, b: Box) => number): Chart;
  setColorMapper(color: (box: Box) => string): Chart;
  setLabelHandler(label: (box: Box) => string): Chart;
  setDetailsElement(element: unknown): Chart;
  setSearchHandler(handler: (found: readonly Box[], sum: number, total: number) => void): Chart;
  setSearchMatch(match: (box: Box, term: string) => boolean): Chart;
  search(term: string): void;
  clear(): void;
  resetZoom(): void;
}

export interface Graph {
  readonly title: string;
  readonly unit: string;
  readonly root: GraphNode;
}

/** Elements of the page: the DOM's types are not part of this project. */
interface PageElement {
  textContent: string;
  value: string;
  className: string;
  clientWidth: number;
  readonly style: { background: string };
  append(...children: unknown[]): void;
  addEventListener(event: string, listener: () => void): void;
}

interface PageDocument {
  createElement(name: string): PageElement;
  getElementById(id: string): PageElement;
}

/** Drawn charts, for whoever looks at the page with a program. */
interface DrawnGraphs {
  search(term: string): void;
  /** What the last search has found: a part of the whole of each graph. */
  readonly found: number[];
}

export function drawGraphs(
  d3: { select(element: unknown): { datum(data: unknown): { call(chart: unknown): void } } },
  newChart: () => Chart,
  document: PageDocument,
  graphs: readonly Graph[],
): DrawnGraphs {
  const COLORS = {
    group: '#c8ccd4',
    own: '#f2a65a',
    library: '#e8cf72',
    runtime: '#8fbf8f',
    native: '#7fb2d9',
    kernel: '#c58fd0',
    wait: '#e58b7b',
  } as const;
  const HIGHLIGHT = '#e600e6';
  const place = document.getElementById('graphs');
  const legend = document.getElementById('legend');
  const shown = graphs.some(({ root }) => root.delta !== undefined) ? [] : Object.entries(COLORS);
  for (const [kind, color] of shown) {
    const sign = document.createElement('span');
    sign.textContent = kind;
    sign.style.background = color;
    legend.append(sign);
  }
  const found: number[] = [];
  const largestChange = ({ children, delta = 0, kind }: GraphNode): number =>
    children.reduce(
      (most, child) => Math.max(most, largestChange(child)),
      kind === 'group' ? 0 : Math.abs(delta),
    );
  const charts = graphs.map(({ root, title, unit }, index) => {
    const largest = largestChange(root);
    const isDifference = root.delta !== undefined;
    const heading = document.createElement('h2');
    heading.textContent = title;
    const details = document.createElement('p');
    details.className = 'details';
    const box = document.createElement('div');
    place.append(heading, box, details);
    const say = (value: number): string =>
      `${value.toLocaleString('en', { maximumSignificantDigits: 4 })} ${unit}`;
    const change = ({ delta, value }: GraphNode): string =>
      delta === undefined ? '' : `, ${delta < 0 ? '' : '+'}${say(delta)}${delta === value ? ' (new)' : ''}`;
    const differenceColor = (delta: number): string => {
      const strength = largest === 0 ? 0 : Math.min(Math.sqrt(Math.abs(delta) / largest), 1);
      const rest = Math.round(255 * (1 - strength));
      return delta > 0 ? `rgb(255,${rest},${rest})` : `rgb(${rest},${rest},255)`;
    };
    const chart = newChart()
      .width(Math.max(place.clientWidth, 600))
      .cellHeight(18)
      .minFrameSize(1)
      .transitionDuration(0)
      .inverted(true)
      .sort((a, b) => b.value - a.value)
      .setColorMapper((frame) => {
        if (frame.highlight === true) return HIGHLIGHT;
        return isDifference && frame.data.kind !== 'group'
          ? differenceColor(frame.data.delta ?? 0)
          : COLORS[frame.data.kind];
      })
      .setLabelHandler(
        ({ data }) =>
          `${data.name}: ${say(data.value)} (${((100 * data.value) / root.value).toFixed(2)} %)${change(data)}`,
      )
      .setDetailsElement(details)
      .setSearchMatch(({ data }, term) => data.name.toLowerCase().includes(term.toLowerCase()))
      .setSearchHandler((_boxes, sum) => {
        found[index] = sum / root.value;
        details.textContent = `found ${say(sum)}, ${(100 * found[index]).toFixed(2)} % of the whole`;
      });
    d3.select(box).datum(root).call(chart);
    return chart;
  });
  const search = (term: string): void => {
    for (const chart of charts) {
      if (term === '') chart.clear();
      else chart.search(term);
    }
    if (term === '') found.length = 0;
  };
  const field = document.getElementById('search');
  field.addEventListener('input', () => search(field.value));
  document.getElementById('reset').addEventListener('click', () => {
    for (const chart of charts) chart.resetZoom();
  });
  return { search, found };
}
