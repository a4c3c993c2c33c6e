/** Drawings as SVG that ECharts makes without a browser. The same figures make the same bytes. */
import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const WIDTH = 860;
const HEIGHT = 380;
/** ECharts numbers them through over all drawings of a process. */
const GENERATED_ID = /\bzr\d+-[\w-]+/g;
/** Told apart also by those who do not see all colours. */
const COLORS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#e69f00'];

/** @param name of the drawing: the ids in it begin with it */
export function drawPlot(name: string, title: string, options: EChartsCoreOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption({ ...common(title), ...options });
    return withIds(chart.renderToSVGString(), name);
  } finally {
    chart.dispose();
  }
}

export interface Bars {
  readonly name: string;
  readonly title: string;
  readonly categories: readonly string[];
  /** For each of the categories a value; null: none. */
  readonly bars: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  readonly isLog: boolean;
}

export function drawBars({ bars, categories, isLog, name, title }: Bars): string {
  return drawPlot(name, title, {
    xAxis: { type: 'category', data: [...categories], axisLabel: { interval: 0, rotate: 25 } },
    yAxis: { type: isLog ? 'log' : 'value' },
    series: bars.map((each) => ({ name: each.name, type: 'bar', data: [...each.values] })),
  });
}

function common(title: string): EChartsCoreOption {
  return {
    animation: false,
    backgroundColor: '#ffffff',
    color: COLORS,
    title: { text: title, left: 'center', textStyle: { fontSize: 14 } },
    legend: { bottom: 0, itemGap: 30 },
    grid: { left: 70, right: 30, top: 45, bottom: 65 },
  };
}

/** The same ids each time, which no other plot in a page has. */
function withIds(svg: string, name: string): string {
  const ids = new Map<string, string>();
  return svg.replaceAll(GENERATED_ID, (id) => {
    const known = ids.get(id) ?? `${name}-${ids.size}`;
    ids.set(id, known);
    return known;
  });
}
