/** The files of a profile that are there to be looked at: a flame graph a kind, and each node's waits for speedscope. */
import type { ProfileFolder } from '../profile-folder.ts';
import { type Difference, differenceOf, requestsOf } from './difference.ts';
import { changeRows, describeWeight, functionRows, TOP_FUNCTIONS } from './figures.ts';
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

export function differencesOf(before: ProfileFolder, after: ProfileFolder): Difference[] {
  return before.summary.kinds.flatMap((kind) => {
    const difference = after.summary.kinds.includes(kind) ? differenceOf(before, after, kind) : undefined;
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
      'All weights are those of one request. Red has grown, blue has shrunk; the width is that of the profile named above each graph.',
    ],
    graphs: differences.flatMap(({ after: now, before: old, kind, unit }) =>
      (['after', 'before'] as const).map((side) => ({
        title: `${VIEWS[kind].title}, as it was ${side}: ${describeWeight((side === 'after' ? now : old).total, unit)} a request`,
        unit,
        root: differenceGraphOf(old, now, side),
      })),
    ),
    tables: differences.map((difference) => ({
      title: `${VIEWS[difference.kind].title}: the largest changes, ${difference.unit} a request`,
      head: ['function', 'itself before', 'after', 'change', 'with what it called before', 'after'],
      rows: changeRows(difference, TOP_FUNCTIONS),
    })),
  });
}
