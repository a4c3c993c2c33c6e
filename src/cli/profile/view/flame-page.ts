/** A flame graph as one page that needs nothing else: no network, no other file. */
import { escapedHtml, scriptData } from '../../html-text.ts';
import { FLAME_GRAPH_SCRIPTS, readPageFile } from '../../page-files.ts';
import { drawGraphs, type Graph } from './draw-graphs.ts';

interface PageTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

interface FlamePage {
  readonly title: string;
  /** What the graphs show, in sentences. */
  readonly notes: readonly string[];
  readonly graphs: readonly Graph[];
  readonly tables: readonly PageTable[];
}

export async function flamePage({ graphs, notes, tables, title }: FlamePage): Promise<string> {
  const scripts = await Promise.all(FLAME_GRAPH_SCRIPTS.map(readPageFile));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapedHtml(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5em; color: #222; }
table { border-collapse: collapse; }
th, td { padding: 0.1em 1em 0.1em 0; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
#legend span { padding: 0.1em 0.6em; margin-right: 0.3em; }
.details { min-height: 1.5em; margin: 0.2em 0; }
</style>
</head>
<body>
<h1>${escapedHtml(title)}</h1>
${notes.map((note) => `<p>${escapedHtml(note)}</p>`).join('\n')}
<p><input id="search" type="search" placeholder="search" aria-label="search"> <button id="reset">whole graph</button></p>
<p id="legend"></p>
<div id="graphs"></div>
${tables.map(tableOf).join('\n')}
<script>${scripts.join('\n')}</script>
<script>
window.flameGraphs = (${drawGraphs.toString()})(d3, flamegraph.default, document, ${scriptData(graphs)});
</script>
</body>
</html>
`;
}

function tableOf({ head, rows, title }: PageTable): string {
  const line = (cells: readonly string[], tag: 'td' | 'th'): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapedHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<h2>${escapedHtml(title)}</h2>
<table>
${[line(head, 'th'), ...rows.map((row) => line(row, 'td'))].join('\n')}
</table>`;
}
