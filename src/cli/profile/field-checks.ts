/** Says what is wrong in JSON that others have written, and at which place in it. Pure. */

type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown, place: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(place, 'an object');
  return value as Fields;
}

export function listOf(value: unknown, place: string): readonly unknown[] {
  return Array.isArray(value) ? value : fail(place, 'a list');
}

export function numberOf(value: unknown, place: string): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fail(place, 'a number');
}

export function textOf(value: unknown, place: string): string {
  return typeof value === 'string' ? value : fail(place, 'a text');
}

/** CPU time in both modes. */
export function checkCpu(value: unknown, place: string): void {
  const cpu = fieldsOf(value, place);
  for (const mode of ['userMs', 'systemMs']) numberOf(cpu[mode], `${place}.${mode}`);
}

/** The waits of a thread. */
export function checkWaits(value: unknown, place: string): void {
  for (const [index, wait] of listOf(value, place).entries()) {
    const at = `${place}[${index}]`;
    const { buckets, count, isIdle, path, totalMs } = fieldsOf(wait, at);
    for (const name of listOf(path, `${at}.path`)) textOf(name, `${at}.path`);
    if (typeof isIdle !== 'boolean') fail(`${at}.isIdle`, 'true or false');
    numberOf(count, `${at}.count`);
    numberOf(totalMs, `${at}.totalMs`);
    for (const waits of listOf(buckets, `${at}.buckets`)) numberOf(waits, `${at}.buckets`);
  }
}

export function fail(place: string, expected: string): never {
  throw new Error(`${place} is not ${expected}`);
}
