/**
 * Scripts and styles of libraries that a page of ours carries within itself. Nothing else of these libraries is used,
 * so who installs the published package does not install them: it has these files in its folder `vendor`.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { isCompiled } from '../program.ts';

const FLAME_GRAPH = 'd3-flame-graph';
/** What d3-flame-graph needs, in the order in which they may be run, and by which package each is brought. */
const D3: readonly (readonly [name: string, broughtBy: readonly string[]])[] = [
  ['d3-array', []],
  ['d3-color', ['d3-scale', 'd3-interpolate']],
  ['d3-dispatch', []],
  ['d3-ease', []],
  ['d3-format', []],
  ['d3-hierarchy', []],
  ['d3-interpolate', ['d3-scale']],
  ['d3-selection', []],
  ['d3-time', ['d3-scale']],
  ['d3-time-format', ['d3-scale']],
  ['d3-timer', ['d3-transition']],
  ['d3-scale', []],
  ['d3-transition', []],
];

interface PageFile {
  /** Of the library's package. */
  readonly library: string;
  /** The packages through which it is found: the first is one of ours. */
  readonly broughtBy: readonly string[];
  /** Within the package. */
  readonly file: string;
}

const ofD3 = D3.map(([library, through]): PageFile => {
  return { library, broughtBy: [FLAME_GRAPH, ...through], file: `dist/${library}.min.js` };
});

export const FLAME_GRAPH_SCRIPTS: readonly PageFile[] = [
  ...ofD3,
  { library: FLAME_GRAPH, broughtBy: [], file: 'dist/d3-flamegraph.umd.min.js' },
];
export const CHART_SCRIPT: PageFile = { library: 'uplot', broughtBy: [], file: 'dist/uPlot.iife.min.js' };
export const CHART_STYLE: PageFile = { library: 'uplot', broughtBy: [], file: 'dist/uPlot.min.css' };
/** For the build, which copies them. */
export const PAGE_FILES: readonly PageFile[] = [...FLAME_GRAPH_SCRIPTS, CHART_SCRIPT, CHART_STYLE];

export function readPageFile(file: PageFile): Promise<string> {
  return readFile(pathOf(file), 'utf8');
}

function pathOf({ broughtBy, file, library }: PageFile): string {
  if (isCompiled) return path.join(import.meta.dirname, '..', '..', 'vendor', library, file);
  return path.join(installedFolder(library, broughtBy), file);
}

/** A package manager may put the libraries of a library where only that one finds them. */
export function installedFolder(library: string, broughtBy: readonly string[]): string {
  let from = import.meta.url;
  for (const name of [...broughtBy, library]) from = createRequire(from).resolve(name);
  let folder = path.dirname(from);
  while (path.basename(folder) !== library) folder = path.dirname(folder);
  return folder;
}
