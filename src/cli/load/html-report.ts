/** A load's result as one page that needs nothing else: no network, no other file. */
import { escapedHtml, scriptData } from '../html-text.ts';
import { CHART_SCRIPT, CHART_STYLE, readPageFile } from '../page-files.ts';
import { type ChartRun, drawCharts } from './charts.ts';
import type { LoadFile } from './json-report.ts';
import { describeMs } from './text-report.ts';

const COLUMNS = ['p50', 'p90', 'p99', 'p99.9', 'max'] as const;

/** @param files the runs, drawn over each other; the first is the one that the page is about */
export async function htmlReport(files: readonly LoadFile[]): Promise<string> {
  const [script, style] = await Promise.all([readPageFile(CHART_SCRIPT), readPageFile(CHART_STYLE)]);
  const names = files.map((_, run) => (run === 0 ? 'this run' : `run ${run + 1}`));
  const runs = files.map(
    ({ requests, seconds, spectrum }, run): ChartRun => ({ name: names[run], requests, seconds, spectrum }),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapedHtml(files[0].name)}</title>
<style>${style}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; }
th, td { padding: 0.2em 1em 0.2em 0; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
.invalid { color: #b00020; font-weight: bold; }
</style>
</head>
<body>
<h1>Load</h1>
${files.map((file, run) => summaryOf(file, names[run])).join('\n')}
<h2>Latency by percentile</h2>
<div id="spectrum"></div>
<h2>Latency over time</h2>
<div id="latency"></div>
<h2>Answers over time</h2>
<div id="rate"></div>
<script>${script}</script>
<script>
window.loadCharts = (${drawCharts.toString()})(uPlot, document, ${scriptData(runs)});
</script>
</body>
</html>
`;
}

function summaryOf(file: LoadFile, name: string): string {
  const rows = Object.entries(file.latencies).map(([operation, figures]) => {
    const { maxMs, p50Ms, p90Ms, p99Ms, p999Ms, requests } = figures;
    const values = [p50Ms, p90Ms, p99Ms, p999Ms, maxMs].map((ms) => `<td>${describeMs(ms)}</td>`);
    return `<tr><td>${escapedHtml(operation)}</td><td>${requests}</td>${values.join('')}</tr>`;
  });
  const faults = file.faults.map((fault) => `<p class="invalid">Not valid: ${escapedHtml(fault)}.</p>`);
  return `<h2>${escapedHtml(name)}</h2>
<p>${escapedHtml(file.name)}</p>
${faults.join('\n')}
<p>${file.requestsPerSecond.toFixed(1)} requests a second, ${file.errors} errors.</p>
<table>
<tr><th></th><th>requests</th>${COLUMNS.map((column) => `<th>${column}</th>`).join('')}</tr>
${rows.join('\n')}
</table>`;
}
