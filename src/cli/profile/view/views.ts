/** The files of a profile that are there to be looked at: a flame graph a kind, and each node's waits for speedscope. */
import type { ProfileFolder } from '../profile-folder.ts';
import { type ComparedBy, type Difference, differenceOf, requestsOf } from './difference.ts';
import { changeRows, describeWeight, functionRows, TOP_FUNCTIONS, WEIGHTS_OF_CHANGES } from './figures.ts';
import { flamePage } from './flame-page.ts';
import { differenceGraphOf, graphOf } from './graph-node.ts';
import { VIEWS } from './kinds.ts';
import { speedscopeWaits } from './speedscope.ts';

/** Text by its path in the folder. */
export async function viewFilesOf({ nodes, summary }: ProfileFolder): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const node of nodes) {
    const waits = speedscopeWaits(node);
    if (waits !== undefined) files.set(`${node.name}/waits.speedscope.json`, JSON.stringify(waits));
  }
  for (const kind of summary.kinds) {
    const { note, title, treeOf, unit } = VIEWS[kind];
    const tree = treeOf(nodes);
    const requests = requestsOf({ nodes, summary }, kind);
    const page = await flamePage({
      title,
      notes: [summary.load, `${requests} requests; ${summary.runtime}, ${summary.machine}.`, note],
      graphs: [{ title: `All nodes: ${describeWeight(tree.total, unit)}`, unit, root: graphOf(tree) }],
      tables: [
        {
          title: 'Functions by what they took themselves',
          head: ['function', 'itself', '', 'with what it called', ''],
          rows: functionRows(tree, unit, TOP_FUNCTIONS),
        },
      ],
    });
    files.set(`${kind}.html`, page);
  }
  return files;
}

export function differencesOf(before: ProfileFolder, after: ProfileFolder, by: ComparedBy): Difference[] {
  return before.summary.kinds.flatMap((kind) => {
    const difference = differenceOf(before, after, kind, by);
    return difference === undefined ? [] : [difference];
  });
}

/** One page for all kinds. */
export function differencePage(
  before: ProfileFolder,
  after: ProfileFolder,
  differences: readonly Difference[],
): Promise<string> {
  return flamePage({
    title: 'What has changed',
    notes: [
      `Before: ${before.summary.load}`,
      `After: ${after.summary.load}`,
      'Weights are those of one request, or parts of the whole in percent. Red has grown, blue has shrunk; the width is that of the profile named above each graph.',
    ],
    graphs: differences.flatMap(({ after: now, before: old, kind, unit }) =>
      (['after', 'before'] as const).map((side) => ({
        title: `${VIEWS[kind].title}, as it was ${side}: ${describeWeight((side === 'after' ? now : old).total, unit)}${measureOf(unit)}`,
        unit,
        root: differenceGraphOf(old, now, side),
      })),
    ),
    tables: differences.flatMap((difference) => {
      const { kind, unit } = difference;
      return (['self', 'total'] as const).map((weight) => ({
        title: `${VIEWS[kind].title}: the largest changes, ${unit}${measureOf(unit)}`,
        head: [WEIGHTS_OF_CHANGES[weight], 'before', 'after', 'change'],
        rows: changeRows(difference, weight, TOP_FUNCTIONS),
      }));
    }),
  });
}

/** What a weight is of. */
export function measureOf(unit: Difference['unit']): string {
  return unit === '%' ? ' of the whole' : ' a request';
}
