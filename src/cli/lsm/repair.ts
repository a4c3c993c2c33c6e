import { NodeFileSystem, type RepairPlan, repair } from '../../../native-free-lsm/index.ts';
import { systemClock } from '../../clock.ts';
import { errorMessage, QuorateError } from '../../errors.ts';
import { markIncomplete } from '../../replica/identity.ts';
import { IDENTITY_FILE } from '../../replica/identity-file.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { print } from '../output.ts';
import { damageFailure, IDENTITY_ADVICE, identityDamages } from './damage.ts';
import { findFolder, type LsmFolder, readIdentity, turn } from './folder.ts';
import { toJson } from './format.ts';
import { LsmProgress } from './progress.ts';

export async function runRepair(
  directory: string,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  const folder = await findFolder(directory);
  const isApplied = options.apply === true;
  let isMarkedIncomplete = false;
  let plan: RepairPlan;
  try {
    plan = await run(folder, isApplied, async (found) => {
      // Mark the folder before anything is dropped, because a repair that is interrupted may have dropped something
      // already.
      if (found.mayLackRecords) isMarkedIncomplete = await mark(folder);
    });
  } catch (error) {
    throw damageFailure(error, directory);
  }
  const beside = identityDamages(folder);
  if (options.json === true) {
    const { damages, drops, mayLackRecords, steps } = plan;
    const shown = {
      damages: [...beside, ...damages],
      steps,
      drops,
      mayLackRecords,
      isApplied,
      isMarkedIncomplete,
    };
    await print(toJson({ directory: folder.engine, ...shown }, 2));
  } else {
    const unrepaired = beside.map(({ message }) => `cannot be repaired: ${message}`);
    await print([...unrepaired, ...describe(plan, folder, isApplied, isMarkedIncomplete)].join('\n'));
  }
  if (!isApplied && plan.steps.length > 0) {
    throw new CommandError(
      ExitCode.damaged,
      `nothing was changed: \`lsm repair ${directory} --apply\` does what is listed`,
    );
  }
  if (beside.length > 0) {
    throw new CommandError(ExitCode.damaged, `${directory} stays damaged: ${IDENTITY_ADVICE}`);
  }
}

async function run(
  { engine }: LsmFolder,
  apply: boolean,
  beforeApply: (plan: RepairPlan) => Promise<void>,
): Promise<RepairPlan> {
  using progress = new LsmProgress(systemClock, process.stderr);
  return await repair(engine, {
    apply,
    beforeApply,
    onProgress: (done) => progress.show(done),
    pause: turn,
  });
}

/** @throws CommandError when a node's folder has no readable identity: then it cannot be marked either */
async function mark(folder: LsmFolder): Promise<boolean> {
  if (folder.node === undefined) return false;
  try {
    readIdentity(folder);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    throw new CommandError(
      ExitCode.damaged,
      `nothing was changed: the repair drops something, which ${IDENTITY_FILE} has to say, and ${errorMessage(error)}`,
    );
  }
  return await markIncomplete(new NodeFileSystem(), folder.node);
}

function describe(
  plan: RepairPlan,
  folder: LsmFolder,
  isApplied: boolean,
  isMarkedIncomplete: boolean,
): string[] {
  const { damages, drops, mayLackRecords, steps } = plan;
  if (steps.length === 0) return ['nothing to repair'];
  const list = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
  const told = [
    ...list(
      'damage',
      damages.map(({ message }) => message),
    ),
    ...list(isApplied ? 'done' : 'would be done', steps),
    ...list(
      isApplied ? 'dropped' : 'would be dropped',
      drops.map(({ what }) => what),
    ),
  ];
  if (!mayLackRecords) {
    told.push('no record is lost');
  } else if (folder.node !== undefined && !isApplied) {
    told.push(
      'the node would be marked as incomplete: its answers count for no read until it is declared whole',
    );
  } else if (isMarkedIncomplete) {
    told.push(
      `the node is marked as incomplete: its answers count for no read until it is declared whole (declare-whole ${folder.node})`,
    );
  }
  return told;
}
