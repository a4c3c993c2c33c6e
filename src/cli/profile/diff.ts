/** `profile diff`: two profiles against each other. */
import { Command } from 'commander';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { print } from '../output.ts';
import { table } from './columns.ts';
import { writeText } from './folder.ts';
import type { ProfileFolder } from './profile-folder.ts';
import { readFolder } from './read-folder.ts';
import type { Difference } from './view/difference.ts';
import { changeRows } from './view/figures.ts';
import { VIEWS } from './view/kinds.ts';
import { differencePage, differencesOf } from './view/views.ts';

/** As many as fit on a screen. */
const SHOWN_CHANGES = 15;
const DIFF_VERSION = 1;

const MANUAL = `
Compares two folders that \`profile --out\` has written, function by function: CPU time,
allocations and waits of one request, all nodes together, so that runs of different
length and rate can be compared. A function is the same when its name and its file are,
whatever its line.

--html writes one page with a flame graph of each side in which red has grown and blue
has shrunk, and the largest changes. --json prints all changes for programs.

Examples:
  node cli.ts profile --method get --replication parallel --out parallel
  node cli.ts profile --method get --replication hedged --out hedged
  node cli.ts profile diff parallel hedged --html hedging.html

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.output])}`;

interface DiffFlags {
  readonly html?: string;
  readonly json?: true;
}

export function diffCommand(): Command {
  return new Command('diff')
    .description('Compares two profiles: what a request costs more, and what less.')
    .argument('<before>', 'a folder that `profile --out` has written')
    .argument('<after>', 'another')
    .option('--html <file>', 'write a page with flame graphs of the difference')
    .option('--json', 'print all changes as JSON')
    .addHelpText('after', MANUAL)
    .action(diff);
}

async function diff(beforeDirectory: string, afterDirectory: string, flags: DiffFlags): Promise<void> {
  const before = await readFolder(beforeDirectory);
  const after = await readFolder(afterDirectory);
  const differences = differencesOf(before, after);
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
      `${VIEWS[kind].title}: ${old.total.toFixed(1)} -> ${now.total.toFixed(1)} ${unit} a request${change}`,
      ...table([
        ['', 'before', 'after', 'change', 'with callees', ''],
        ...changeRows(difference, SHOWN_CHANGES),
      ]),
    );
  }
  return lines.join('\n');
}
