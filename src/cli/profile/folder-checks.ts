/** Says what is wrong in a file of a profile's folder before a view is made of it. Pure. */
import { PROFILE_KINDS } from '../../node-profile.ts';
import {
  type CpuProfile,
  type HeapProfile,
  PROFILE_FOLDER_VERSION,
  type ProfileSummary,
} from './profile-folder.ts';

type Fields = Readonly<Record<string, unknown>>;

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
  const profile = fieldsOf(JSON.parse(text), 'it');
  for (const name of ['startTime', 'endTime']) numberOf(profile[name], name);
  const ids = new Set<unknown>();
  const below: unknown[] = [];
  for (const [index, node] of listOf(profile.nodes, 'nodes').entries()) {
    const { callFrame, children, id } = fieldsOf(node, `nodes[${index}]`);
    numberOf(id, `nodes[${index}].id`);
    checkCallFrame(callFrame, `nodes[${index}].callFrame`);
    below.push(...listOf(children ?? [], `nodes[${index}].children`));
    ids.add(id);
  }
  // A node below itself would have no end.
  if (new Set(below).size !== below.length) fail('nodes', 'a tree');
  if (below.some((id) => !ids.has(id) || id === ids.values().next().value)) fail('nodes', 'a tree');
  const samples = listOf(profile.samples, 'samples');
  const unknown = samples.findIndex((id) => !ids.has(id));
  if (unknown >= 0) fail(`samples[${unknown}]`, 'the id of a node');
  const deltas = listOf(profile.timeDeltas, 'timeDeltas');
  if (deltas.length !== samples.length) fail('timeDeltas', 'as long as samples');
  for (const [index, delta] of deltas.entries()) numberOf(delta, `timeDeltas[${index}]`);
  return profile as unknown as CpuProfile;
}

/** @throws Error that says what is wrong, and where in the text */
export function parseHeapProfile(text: string): HeapProfile {
  const profile = fieldsOf(JSON.parse(text), 'it');
  const check = (value: unknown, place: string): void => {
    const node = fieldsOf(value, place);
    checkCallFrame(node.callFrame, `${place}.callFrame`);
    numberOf(node.selfSize, `${place}.selfSize`);
    for (const [index, child] of listOf(node.children, `${place}.children`).entries())
      check(child, `${place}.children[${index}]`);
  };
  check(profile.head, 'head');
  return profile as unknown as HeapProfile;
}

function checkNode(value: unknown, place: string): void {
  const node = fieldsOf(value, place);
  if (typeof node.name !== 'string') fail(`${place}.name`, 'a text');
  for (const [index, thread] of listOf(node.sampledThreads ?? [], `${place}.sampledThreads`).entries()) {
    const at = `${place}.sampledThreads[${index}]`;
    const { cpu } = fieldsOf(thread, at);
    for (const mode of ['userMs', 'systemMs'])
      numberOf(fieldsOf(cpu, `${at}.cpu`)[mode], `${at}.cpu.${mode}`);
  }
  for (const [index, thread] of listOf(node.waits ?? [], `${place}.waits`).entries()) {
    const at = `${place}.waits[${index}]`;
    for (const [number, wait] of listOf(fieldsOf(thread, at).waits, `${at}.waits`).entries()) {
      const here = `${at}.waits[${number}]`;
      const { buckets, path, totalMs } = fieldsOf(wait, here);
      listOf(path, `${here}.path`);
      numberOf(totalMs, `${here}.totalMs`);
      for (const count of listOf(buckets, `${here}.buckets`)) numberOf(count, `${here}.buckets`);
    }
  }
}

function checkCallFrame(value: unknown, place: string): void {
  const { functionName, lineNumber, url } = fieldsOf(value, place);
  if (typeof functionName !== 'string') fail(`${place}.functionName`, 'a text');
  if (typeof url !== 'string') fail(`${place}.url`, 'a text');
  numberOf(lineNumber, `${place}.lineNumber`);
}

function isInside(file: string): boolean {
  return file !== '' && !file.split(/[/\\]/).some((part) => part === '' || part === '..' || part === '.');
}

function fieldsOf(value: unknown, place: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(place, 'an object');
  return value as Fields;
}

function listOf(value: unknown, place: string): readonly unknown[] {
  return Array.isArray(value) ? value : fail(place, 'a list');
}

function numberOf(value: unknown, place: string): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fail(place, 'a number');
}

function fail(place: string, expected: string): never {
  throw new Error(`${place} is not ${expected}`);
}
