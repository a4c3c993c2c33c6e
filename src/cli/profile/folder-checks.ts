/** Says what is wrong in a file of a profile's folder before a view is made of it. Pure. */
import { PROFILE_KINDS } from '../../node-profile.ts';
import { checkCpu, checkWaits, fail, fieldsOf, listOf, numberOf, textOf } from './field-checks.ts';
import {
  type CpuProfile,
  type HeapProfile,
  PROFILE_FOLDER_VERSION,
  type ProfileSummary,
} from './profile-folder.ts';
import { checkCpuProfile, checkHeapProfile } from './sample-checks.ts';

/** @throws Error that says what is wrong, and where in the text */
export function parseSummary(text: string): ProfileSummary {
  const summary = fieldsOf(JSON.parse(text), 'it');
  if (summary.version !== PROFILE_FOLDER_VERSION)
    throw new Error(
      `its version is ${JSON.stringify(summary.version)}, and this version of Quorate reads ${PROFILE_FOLDER_VERSION}: make both profiles with this one`,
    );
  for (const kind of listOf(summary.kinds, 'kinds'))
    if (!PROFILE_KINDS.some((known) => known === kind)) fail('kinds', 'a list of cpu, heap and waits');
  for (const file of listOf(summary.files, 'files'))
    if (typeof file !== 'string' || !isInside(file)) fail('files', 'a list of paths within the folder');
  for (const [index, run] of listOf(summary.runs, 'runs').entries())
    numberOf(fieldsOf(run, `runs[${index}]`).requests, `runs[${index}].requests`);
  for (const [index, node] of listOf(summary.nodes, 'nodes').entries()) checkNode(node, `nodes[${index}]`);
  return summary as unknown as ProfileSummary;
}

/** @throws Error that says what is wrong, and where in the text */
export function parseCpuProfile(text: string): CpuProfile {
  const profile: unknown = JSON.parse(text);
  checkCpuProfile(profile);
  return profile as CpuProfile;
}

/** @throws Error that says what is wrong, and where in the text */
export function parseHeapProfile(text: string): HeapProfile {
  const profile: unknown = JSON.parse(text);
  checkHeapProfile(profile);
  return profile as HeapProfile;
}

function checkNode(value: unknown, place: string): void {
  const node = fieldsOf(value, place);
  textOf(node.name, `${place}.name`);
  for (const [index, thread] of listOf(node.sampledThreads ?? [], `${place}.sampledThreads`).entries()) {
    const at = `${place}.sampledThreads[${index}]`;
    checkCpu(fieldsOf(thread, at).cpu, `${at}.cpu`);
  }
  for (const [index, thread] of listOf(node.waits ?? [], `${place}.waits`).entries()) {
    const at = `${place}.waits[${index}]`;
    checkWaits(fieldsOf(thread, at).waits, `${at}.waits`);
  }
}

function isInside(file: string): boolean {
  return file !== '' && !file.split(/[/\\]/).some((part) => part === '' || part === '..' || part === '.');
}
