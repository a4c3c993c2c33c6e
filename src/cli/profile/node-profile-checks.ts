/**
 * Says what is wrong in what a node has sent as its profile. Whatever listens at a --url may have sent it, and its names
 * become the names of files. Pure.
 */
import { isNodeId } from '../../cluster/node-id.ts';
import { type NodeProfile, PROFILE_VERSION } from '../../node-profile.ts';
import { checkCpu, checkWaits, fail, fieldsOf, listOf, numberOf } from './field-checks.ts';
import { checkCpuProfile, checkHeapProfile } from './sample-checks.ts';

/** A role, and a number where several threads have it. */
const THREAD_NAME = /^[a-z]+(?:-[1-9][0-9]{0,5})?$/;
const ENDINGS: readonly unknown[] = ['time', 'request', 'size'] satisfies NodeProfile['endedBy'][];
const FIGURES = ['elapsedMs', 'voluntarySwitches', 'involuntarySwitches', 'residentBytes'] as const;

/** @throws Error that says what is wrong, and where in the text */
export function parseNodeProfile(text: string): NodeProfile {
  const profile = fieldsOf(JSON.parse(text), 'it');
  if (profile.version !== PROFILE_VERSION)
    throw new Error(
      `its version is ${JSON.stringify(profile.version)}, and this command reads ${PROFILE_VERSION}: use the node's own version of it`,
    );
  if (!isNodeId(profile.node)) fail('node', 'the id of a node');
  if (!ENDINGS.includes(profile.endedBy)) fail('endedBy', 'time, request or size');
  for (const name of FIGURES) numberOf(profile[name], name);
  checkCpu(profile.cpu, 'cpu');
  if (profile.osThreads !== null) numberOf(profile.osThreads, 'osThreads');
  const names = new Set<unknown>();
  for (const [index, thread] of listOf(profile.threads, 'threads').entries())
    names.add(checkThread(thread, `threads[${index}]`));
  if (names.size !== (profile.threads as unknown[]).length) fail('threads', 'a list of different threads');
  return profile as unknown as NodeProfile;
}

/** @returns its name */
function checkThread(value: unknown, place: string): string {
  const { allocatedBytes, cpu, cpuProfile, heapProfile, name, waits } = fieldsOf(value, place);
  if (typeof name !== 'string' || !THREAD_NAME.test(name))
    return fail(`${place}.name`, 'the name of a thread');
  checkCpu(cpu, `${place}.cpu`);
  numberOf(allocatedBytes, `${place}.allocatedBytes`);
  if (cpuProfile !== null) checkCpuProfile(cpuProfile, `${place}.cpuProfile`);
  if (heapProfile !== null) checkHeapProfile(heapProfile, `${place}.heapProfile`);
  checkWaits(waits, `${place}.waits`);
  return name;
}
