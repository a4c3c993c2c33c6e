/** `profile diff`: two profiles against each other. */

import { Command, Option } from 'commander';
import { PROGRAM } from '../../program.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { print } from '../output.ts';
import { table } from './columns.ts';
import { writeText } from './folder.ts';
import type { ProfileFolder } from './profile-folder.ts';
import { readFolder } from './read-folder.ts';
import { COMPARED_BY, type ComparedBy, type Difference } from './view/difference.ts';
import { changeRows, WEIGHTS_OF_CHANGES } from './view/figures.ts';
import { VIEWS } from './view/kinds.ts';
import { differencePage, differencesOf, measureOf } from './view/views.ts';

/** As many as fit on a screen. */
const SHOWN_CHANGES = 15;
const DIFF_VERSION = 1;

const MANUAL = `
Compares two folders that \`profile --out\` has written, function by function: CPU time,
allocations and waits of one request, all nodes together, so that runs of different
length and rate can be compared. A function is the same when its name and its file are,
whatever its line. What only one side has, a thread for example, is 0 on the other.
--by share compares parts of each whole instead, where the requests themselves differ.

--html writes one page with a flame graph of each side in which red has grown and blue
has shrunk, and the largest changes. --json prints all changes for programs.

Examples:
  ${PROGRAM} profile --method get --replication parallel --out parallel
  ${PROGRAM} profile --method get --replication hedged --out hedged
  ${PROGRAM} profile diff parallel hedged --html hedging.html

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.output])}`;

interface DiffFlags {
  readonly by: ComparedBy;
  readonly html?: string;
  readonly json?: true;
}

export function diffCommand(): Command {
  return new Command('diff')
    .description('Compares two profiles: what a request costs more, and what less.')
    .argument('<before>', 'a folder that `profile --out` has written')
    .argument('<after>', 'another')
    .addOption(
      new Option('--by <measure>', 'weights of one request, or shares of the whole')
        .choices([...COMPARED_BY])
        .default(COMPARED_BY[0]),
    )
    .option('--html <file>', 'write a page with flame graphs of the difference')
    .option('--json', 'print all changes as JSON')
    .addHelpText('after', MANUAL)
    .action(diff);
}

async function diff(beforeDirectory: string, afterDirectory: string, flags: DiffFlags): Promise<void> {
  const before = await readFolder(beforeDirectory);
  const after = await readFolder(afterDirectory);
  const differences = differencesOf(before, after, flags.by);
  if (differences.length === 0)
    throw new CommandError(
      ExitCode.error,
      `${beforeDirectory} and ${afterDirectory} have nothing in common: both need a profile of the same kind, with requests`,
    );
  if (flags.html !== undefined) await writeText(flags.html, await differencePage(before, after, differences));
  await print(flags.json === true ? jsonOf(differences) : textOf(before, after, differences));
}

function jsonOf(differences: readonly Difference[]): string {
  const kinds = differences.map(({ after, before, changes, kind, unit }) => ({
    kind,
    unit,
    before: before.total,
    after: after.total,
    changes,
  }));
  return JSON.stringify({ version: DIFF_VERSION, kinds }, null, 2);
}

function textOf(before: ProfileFolder, after: ProfileFolder, differences: readonly Difference[]): string {
  const lines = [`before: ${before.summary.load}`, `after:  ${after.summary.load}`];
  for (const difference of differences) {
    const { after: now, before: old, kind, unit } = difference;
    const change = old.total === 0 ? '' : ` (${(now.total / old.total).toFixed(2)} ×)`;
    lines.push(
      '',
      `${VIEWS[kind].title}: ${old.total.toFixed(1)} -> ${now.total.toFixed(1)} ${unit}${measureOf(unit)}${change}`,
      ...(['self', 'total'] as const).flatMap((weight) => {
        const rows = changeRows(difference, weight, SHOWN_CHANGES);
        return rows.length === 0
          ? []
          : table([[WEIGHTS_OF_CHANGES[weight], 'before', 'after', 'change'], ...rows]);
      }),
    );
  }
  return lines.join('\n');
}
