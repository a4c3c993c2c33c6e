/** `lsm`: commands for the data folder of a node. Each is loaded only when it is called. */

import { Command } from 'commander';
import { PROGRAM } from '../../program.ts';
import { ExitCode, exitCodesManual } from '../exit-codes.ts';

const MANUAL = `
DIR is the data folder of one node, DATA/node-1, or the engine's folder in it,
DATA/node-1/engine, or a copy of either. \`stat\`, \`dump\` and \`verify\` change
nothing. Of a node that runs they read one moment, and the node does not notice;
what it removes meanwhile keeps its room on the disk until they have ended. The
node must be stopped for \`compact\` and \`repair\`, which refuse a folder that is in
use; \`repair\` without \`--apply\` only says what it would do.

Each has a manual of its own, with what --json prints: lsm verify --help

Examples:
  ${PROGRAM} lsm stat ./data/node-1
  ${PROGRAM} lsm verify ./data/node-1
  ${PROGRAM} lsm dump ./data/node-1 --keys 'user:..user;' --limit 20
  ${PROGRAM} lsm repair ./data/node-1`;

interface Subcommand {
  readonly summary: string;
  readonly usage: string;
  readonly options: readonly (readonly [flags: string, help: string])[];
  readonly manual: string;
  readonly codes: readonly ExitCode[];
  readonly run: (directory: string, options: Readonly<Record<string, unknown>>) => Promise<void>;
}

const JSON_FLAG = ['--json', 'print JSON for programs'] as const;
const WHOLE_OR_DAMAGED = [ExitCode.ok, ExitCode.error, ExitCode.damaged, ExitCode.output];

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  stat: {
    summary: 'show how much of what a folder holds',
    usage: 'Shows what a data folder holds: levels and tables, logs, manifest, and whose it is.',
    options: [
      JSON_FLAG,
      [
        '--live',
        'read everything, to tell how many entries are live and how much room each of their bytes takes',
      ],
      ['--tables', 'list every table'],
    ],
    manual: `
Reads the manifest and the logs; tables are read with --live alone. Key ranges are
written as \`range\` writes keys. An entry is counted once for each table that has
it, until they are compacted.

--json prints one object:
  directory             the engine's folder
  identity              clusterId, nodeId, incarnation, whole (whether its reads
                        count: whole, unproven, incomplete), clockCeiling; null
                        for a folder that is no node's
  isInUse               whether its node runs: then this is one moment of it
  manifest              file, sizeBytes, edits
  oldestGeneration      logs below it are in tables
  levels                of each that has tables: level (a number, or
                        quarantine: damaged ones), tables, fileSizeBytes,
                        rawSizeBytes (keys and values), entries, tombstones,
                        rangeTombstones (deletions of ranges), smallestKey,
                        largestKey, smallestTimestamp, largestTimestamp, list (the tables, by id)
  total                 the same of all levels
  logs                  file, generation, sizeBytes, batches, puts, tornBytes,
                        isClean, isObsolete
  orphans, foreign      names of files that are left over, and of others' files
  diskBytes             of tables, logs and the manifest
  bytesPerStoredByte    diskBytes by total.rawSizeBytes; null without tables
  live                  with --live: entries, sizeBytes, bytesPerLiveByte; else null
Keys are {"text": …} where they are UTF-8 and {"base64": …} where they are not.

Examples:
  ${PROGRAM} lsm stat ./data/node-1
  ${PROGRAM} lsm stat ./data/node-1 --live --json | jq .live.bytesPerLiveByte`,
    codes: WHOLE_OR_DAMAGED,
    run: async (directory, options) => (await import('./stat.ts')).runStat(directory, options),
  },
  dump: {
    summary: 'print the entries of a folder, or what one file holds',
    usage: 'Prints all live entries in order of keys, or everything in one file, damaged or not.',
    options: [
      JSON_FLAG,
      ['--file <name>', 'one file: CURRENT, IDENTITY, MANIFEST-000001, 000007.log, 000012.sst'],
      ['--keys <start..end>', 'entries from START up to, not including, END; either may be left out'],
      ['--limit <n>', 'stop after that many entries'],
    ],
    manual: `
An entry is a line, key TAB value, as \`range\` writes it: backslash, control
characters and bytes that are not UTF-8 are \\\\, \\t, \\n, \\r and \\xHH. --keys takes
keys in the same form; a key that has two dots writes one of them as \\x2e.
What a node has stored for itself is behind the last key of a client, and is shown
with --keys '\\xff..' alone.

With --file the parts of that file are shown one after another, each with its
offset: edits of a manifest, batches of a log and their writes, blocks of a table
and their entries. What is damaged is named in its place and the rest is shown;
nothing else in the folder needs to be whole. Writes and entries are then shown
with their version (time and writer) and whether they delete.

--json prints one object a line, with the field \`type\`: entry (key, value,
timestamp, writer, from, isTombstone, expiryMs), and with --file also current,
edit, batch, torn, properties, block, damage and identity. Keys and values are
{"text": …} where they are UTF-8 and {"base64": …} where they are not.

Examples:
  ${PROGRAM} lsm dump ./data/node-1 | head
  ${PROGRAM} lsm dump ./data/node-1 --keys 'user:..user;' --json
  ${PROGRAM} lsm dump ./data/node-1 --file 000007.log`,
    codes: WHOLE_OR_DAMAGED,
    run: async (directory, options) => (await import('./dump.ts')).runDump(directory, options),
  },
  verify: {
    summary: 'read every byte of a folder and name all damage',
    usage: 'Reads every byte of a data folder and names every damage with file and offset.',
    options: [JSON_FLAG],
    manual: `
Checked are: the checksum of every block, index, filter and directory of every
table, of every batch of logs and manifest, of CURRENT and IDENTITY; keys in order
within tables and tables in order within levels; every key in its table's filter
and where its index says; the properties of each table against what is in it, and
against the manifest; every table in force and every log that was begun being
there, under its own name; and across levels and logs that of each key the newer
version stands above the older. A torn tail, which a crash leaves at the end of a
log, is no damage: it was never acknowledged.

Progress goes to stderr: a bar on a terminal, otherwise a line every few seconds.

--json prints one object: directory, isWhole, isInUse (its node runs: then this
is one moment of the folder), damages (each code, file, offset or
null, message), notes, and files, tables, logs, entries, sizeBytes that were read,
isOrderChecked (false where damage left nothing to compare).

Examples:
  ${PROGRAM} lsm verify ./data/node-1
  ${PROGRAM} lsm verify /backup/node-1 --json | jq -r '.damages[].message'`,
    codes: WHOLE_OR_DAMAGED,
    run: async (directory, options) => (await import('./verify.ts')).runVerify(directory, options),
  },
  compact: {
    summary: 'merge everything into the last level',
    usage: 'Merges all logs and tables of a data folder into the last level.',
    options: [JSON_FLAG],
    manual: `
What a key had before its newest version is dropped. Deletions are kept: another
replica may still hold what was deleted, and it would come back from there.
Interrupted at any moment, the folder is whole: what is finished is in force.
Needs free room for about what is there.

Progress goes to stderr. --json prints one object: directory, before and after,
each with tables, fileSizeBytes, entries, tombstones, and elapsedMs.

Examples:
  ${PROGRAM} lsm compact ./data/node-1`,
    codes: WHOLE_OR_DAMAGED,
    run: async (directory, options) => (await import('./compact.ts')).runCompact(directory, options),
  },
  repair: {
    summary: 'make a damaged folder usable again, and say what is lost by it',
    usage:
      'Says how a damaged data folder can be made usable again and what that drops; does it with --apply.',
    options: [JSON_FLAG, ['--apply', 'do it; without, nothing is changed']],
    manual: `
Reads everything first. Then
- of a log that is damaged in the middle, every batch before and after the damage
  is kept, in tables;
- of a table that is damaged, every block that is whole is kept, in a new table;
- tables under each other's names are put back in their places;
- a log that is missing is dropped by name, and those before it become tables;
- a CURRENT that is damaged or missing is written anew from the manifest;
- without a manifest one is made from the tables found: those that overlap, and
  all logs, are merged by the versions of their records.
Every file that is replaced, and any that is not in force, is kept in lost/ in the
engine's folder. Delete that folder once you are sure that nothing in it is
missed; until then it takes as much room as the files did.

What is dropped is listed. A key whose newest version was in it reads as an older
one, or as none. So when anything may be missing the node's folder is marked as
incomplete: the node then takes writes, gets what it lost from its peers by itself,
and counts for reads slot by slot as it does. When no peer has it, or nothing is
missing, see declare-whole.

A damaged IDENTITY cannot be repaired: put it back from a copy. Where another
copy of the whole folder is to be had, or an empty folder and the other replicas,
that is better than a repair.

--json prints one object: directory, damages (as verify does), steps, drops (each
file, what, lengthBytes, mayHoldRecords), mayLackRecords, isApplied,
isMarkedIncomplete.

Examples:
  ${PROGRAM} lsm repair ./data/node-1            # says what it would do
  ${PROGRAM} lsm repair ./data/node-1 --apply`,
    codes: WHOLE_OR_DAMAGED,
    run: async (directory, options) => (await import('./repair.ts')).runRepair(directory, options),
  },
};

export function lsmCommand(): Command {
  const command = new Command('lsm')
    .description("Looks into, checks, compacts and repairs a node's data folder.")
    .addHelpText('after', MANUAL);
  for (const [name, { summary, usage, options, manual, codes, run }] of Object.entries(SUBCOMMANDS)) {
    const subcommand = new Command(name).summary(summary).description(usage);
    subcommand.argument('<directory>', "a node's data folder, or the engine's folder in it");
    for (const [flags, help] of options) subcommand.option(flags, help);
    subcommand
      .addHelpText('after', `${manual}\n\n${exitCodesManual(codes)}`)
      .action((directory: string) => run(directory, subcommand.opts()));
    command.addCommand(subcommand);
  }
  return command;
}
