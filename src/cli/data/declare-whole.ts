import { PROGRAM } from '../../program.ts';
import path from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../../clock.ts';
import { ExitCode, exitCodesManual } from '../exit-codes.ts';
import { print } from '../output.ts';

/** The engine's lock file: who holds its lock is the only user of the folder. */
const LOCK_FILE = 'LOCK';

const MANUAL = `
A node that finds its folder emptied takes writes but counts for no read quorum:
it would answer "not found" for keys it once had. So does one whose folder was
put back to an older copy, and one whose folder was repaired (\`lsm repair\`) and
may lack records, or whose engine/ holds less than the node knows it did. It says
so in \`status\`, and is refilled from the other nodes while all of them are there
and one of them is whole. When you know that nothing it held is missing, or when
no other node has what is, stop it, declare it whole and start it again.

A backup of all folders comes up whole by itself when it was taken of a stopped
cluster, or of all folders at one moment. Of copies taken one after the other the
earlier ones are older than what the later remember: their nodes have to be
declared whole.

Examples:
  ${PROGRAM} declare-whole ./data/node-2

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.output])}`;

export function declareWholeCommand(): Command {
  return new Command('declare-whole')
    .description(
      'Declares that nothing is missing from a node whose folder was emptied or put back, so that it counts for reads.',
    )
    .argument('<directory>', "the node's own data folder; the node must be stopped")
    .addHelpText('after', MANUAL)
    .action(declareWholeAction);
}

async function declareWholeAction(directory: string): Promise<void> {
  const { declareWhole, ENGINE_FOLDER } = await import('../../replica/identity.ts');
  const { NodeFileSystem } = await import('../../../native-free-lsm/index.ts');
  const fs = new NodeFileSystem();
  const lock = (): Disposable => fs.lockSync(path.join(directory, ENGINE_FOLDER, LOCK_FILE));
  const { nodeId } = await declareWhole(fs, directory, systemClock.nowMs(), lock);
  await print(`${nodeId} is declared whole and counts for reads.`);
}
