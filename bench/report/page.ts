/** The report as one page that needs nothing else: the plots are in it, the graphs and profiles are linked. Pure. */
import { Marked } from 'marked';
import type { Plot } from './plots.ts';

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff; }
  table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
  th, td { border: 1px solid #ccc; padding: .3rem .6rem; vertical-align: top; }
  th { background: #f3f3f3; }
  pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .85rem; }
  figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
  a { color: #0b57d0; }
`;

/** @param plotPath where the Markdown expects a plot */
export function pageOf(
  markdown: string,
  title: string,
  plots: readonly Plot[],
  plotPath: (plot: Plot) => string,
): string {
  const marked = new Marked({
    renderer: {
      // false: as it would be without this renderer.
      image({ href }) {
        const plot = plots.find((known) => plotPath(known) === href);
        return plot === undefined ? false : `<figure>${plot.svg}</figure>`;
      },
    },
  });
  const body = marked.parse(markdown, { async: false });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
${body}</body>
</html>
`;
}
