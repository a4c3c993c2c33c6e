/** What a request costs more, and what less, when replicas are asked in another way. */
import { join } from 'node:path';
import { METHODS, type Method, type Replication, type Scale } from '../scale.ts';
import type { Step, StepContext } from '../step.ts';
import { type DiffResult, diffStepName, profileStepName } from './profile-result.ts';

const BUDGET_SECONDS = 2;
const PAGE = 'diff.html';
/** The step that the report describes, and what came after it. */
const CHANGES: readonly (readonly [before: Replication, after: Replication])[] = [
  ['sequential', 'parallel'],
  ['parallel', 'hedged'],
];

/** Of those that are profiled. */
export function profileDiffSteps({ profiled }: Scale): Step[] {
  const changes = CHANGES.filter((change) => change.every((replication) => profiled.includes(replication)));
  return METHODS.flatMap((method) =>
    changes.map(([before, after]) => ({
      name: diffStepName(method, after),
      title: `${method.toUpperCase()}: what ${after} costs more than ${before}, and what less`,
      budgetSeconds: BUDGET_SECONDS,
      needs: [profileStepName(method, before), profileStepName(method, after)],
      run: async (context: StepContext) => await diff(context, method, before, after),
    })),
  );
}

async function diff(
  { folder, folderOf, program }: StepContext,
  method: Method,
  before: Replication,
  after: Replication,
): Promise<DiffResult> {
  const [first, second] = [before, after].map((replication) => {
    const path = folderOf(profileStepName(method, replication));
    program.call(path, replication.toUpperCase());
    return path;
  });
  program.call(`${folder}/`, '');
  const text = await program.run(['cli.ts', 'profile', 'diff', first, second, '--html', join(folder, PAGE)]);
  return { text, files: [PAGE] };
}
