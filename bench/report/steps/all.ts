/** All steps, in the order in which they are done: what the conclusions need most comes first. */
import type { Scale } from '../scale.ts';
import type { Step } from '../step.ts';
import { alternativeSteps } from './alternatives.ts';
import { fillStep } from './fill.ts';
import { limitsStep } from './limits.ts';
import { machineStep } from './machine.ts';
import { pageCacheStep } from './page-cache.ts';
import { profileDiffSteps } from './profile-diffs.ts';
import { profileSteps } from './profiles.ts';
import { rateSteps } from './rates.ts';
import { allTurnSteps } from './turns.ts';

export function stepsOf(scale: Scale): Step[] {
  const fillSeconds = { full: 45, quick: 6, tiny: 2 }[scale.name];
  return [
    machineStep,
    limitsStep(scale),
    fillStep(scale.size, fillSeconds),
    ...rateSteps(scale),
    ...allTurnSteps(scale),
    ...profileSteps(scale),
    ...profileDiffSteps(scale),
    pageCacheStep(scale),
    ...alternativeSteps(scale),
  ];
}
