/** Says what is wrong in what V8's samplers are said to have written, before a view is made of it. Pure. */
import { fail, fieldsOf, listOf, numberOf, textOf } from './field-checks.ts';

/**
 * @param place of the profile in what it was read from; empty: it is the whole
 * @throws Error that says what is wrong, and where
 */
export function checkCpuProfile(value: unknown, place = ''): void {
  const at = (field: string): string => within(place, field);
  const profile = fieldsOf(value, place || 'it');
  for (const name of ['startTime', 'endTime']) numberOf(profile[name], at(name));
  const ids = new Set<unknown>();
  const below: unknown[] = [];
  for (const [index, node] of listOf(profile.nodes, at('nodes')).entries()) {
    const { callFrame, children, id } = fieldsOf(node, at(`nodes[${index}]`));
    numberOf(id, at(`nodes[${index}].id`));
    checkCallFrame(callFrame, at(`nodes[${index}].callFrame`));
    below.push(...listOf(children ?? [], at(`nodes[${index}].children`)));
    ids.add(id);
  }
  // A node below itself would have no end.
  if (new Set(below).size !== below.length) fail(at('nodes'), 'a tree');
  if (below.some((id) => !ids.has(id) || id === ids.values().next().value)) fail(at('nodes'), 'a tree');
  const samples = listOf(profile.samples, at('samples'));
  const unknown = samples.findIndex((id) => !ids.has(id));
  if (unknown >= 0) fail(at(`samples[${unknown}]`), 'the id of a node');
  const deltas = listOf(profile.timeDeltas, at('timeDeltas'));
  if (deltas.length !== samples.length) fail(at('timeDeltas'), 'as long as samples');
  for (const [index, delta] of deltas.entries()) numberOf(delta, at(`timeDeltas[${index}]`));
}

/**
 * @param place as that of checkCpuProfile
 * @throws Error that says what is wrong, and where
 */
export function checkHeapProfile(value: unknown, place = ''): void {
  const { head } = fieldsOf(value, place || 'it');
  checkHeapNode(head, within(place, 'head'));
}

function checkHeapNode(value: unknown, place: string): void {
  const node = fieldsOf(value, place);
  checkCallFrame(node.callFrame, `${place}.callFrame`);
  numberOf(node.selfSize, `${place}.selfSize`);
  for (const [index, child] of listOf(node.children, `${place}.children`).entries())
    checkHeapNode(child, `${place}.children[${index}]`);
}

function checkCallFrame(value: unknown, place: string): void {
  const { functionName, lineNumber, url } = fieldsOf(value, place);
  textOf(functionName, `${place}.functionName`);
  textOf(url, `${place}.url`);
  numberOf(lineNumber, `${place}.lineNumber`);
}

function within(place: string, field: string): string {
  return place === '' ? field : `${place}.${field}`;
}
