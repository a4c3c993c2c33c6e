import {
  type FileSystem,
  loadOfflineTools,
  type Progress,
  type VerifyReport,
} from '../../../native-free-lsm/index.ts';
import { systemClock } from '../../clock.ts';
import { describeSize } from '../../config/units.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { print } from '../output.ts';
import { damageFailure, IDENTITY_ADVICE, identityDamages } from './damage.ts';
import { findFolder, IN_USE_NOTE, readFolder, turn } from './folder.ts';
import { toJson } from './format.ts';
import { LsmProgress } from './progress.ts';

export async function runVerify(
  directory: string,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  const folder = await findFolder(directory);
  using held = await readFolder(folder);
  const { fs, isInUse } = held;
  let report: VerifyReport;
  try {
    report = await verify(fs, folder.engine);
  } catch (error) {
    throw damageFailure(error, directory);
  }
  const damages = [...identityDamages(folder), ...report.damages];
  const isWhole = damages.length === 0;
  if (options.json === true) {
    await print(toJson({ directory: folder.engine, isWhole, isInUse, ...report, damages }, 2));
  } else {
    const { entries, logs, notes, sizeBytes, tables } = report;
    const lines = [
      ...(isInUse ? [`note: ${IN_USE_NOTE}`] : []),
      ...damages.map(({ message }) => message),
      ...notes.map((note) => `note: ${note}`),
      `${tables} tables and ${logs} logs, ${entries} entries, ${describeSize(sizeBytes)} read`,
      ...(isWhole ? ['no damage'] : []),
    ];
    await print(lines.join('\n'));
  }
  if (isWhole) return;
  const places = damages.length === 1 ? 'in one place' : `in ${damages.length} places`;
  throw new CommandError(
    ExitCode.damaged,
    report.damages.length === 0
      ? `${directory} is damaged: ${IDENTITY_ADVICE}`
      : `${directory} is damaged ${places}: \`lsm repair ${directory}\` says what can be saved`,
  );
}

async function verify(fs: FileSystem, engine: string): Promise<VerifyReport> {
  const { verifyFolder } = await loadOfflineTools();
  using progress = new LsmProgress(systemClock, process.stderr);
  const steps: Generator<Progress, VerifyReport, void> = verifyFolder(fs, engine);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    progress.show(value);
    await turn();
  }
}
