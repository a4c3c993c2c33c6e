/** Figures as text, by the unit that their name ends in. Pure. */

interface Unit {
  readonly ending: RegExp;
  readonly text: (value: number) => string;
  /** For the head of a column. */
  readonly title: string;
}

/** What stands where a figure is missing. */
export const NOT_MEASURED = 'not measured';

const UNITS: readonly Unit[] = [
  { ending: /Ms$/, text: (value) => `${digits(value)} ms`, title: 'ms' },
  { ending: /Micros$/, text: (value) => `${digits(value)} µs`, title: 'µs' },
  { ending: /Ns$/, text: (value) => `${digits(value)} ns`, title: 'ns' },
  { ending: /(?:share|Share)$/, text: (value) => `${digits(value * 100)} %`, title: '%' },
  { ending: /(?:rate|Rate|PerSecond)$/, text: (value) => `${digits(value)}/s`, title: '/s' },
  { ending: /Mib$/, text: (value) => `${digits(value)} MiB`, title: 'MiB' },
  { ending: /Bytes$/, text: (value) => `${digits(value)} B`, title: 'B' },
  { ending: /(?:seconds|Seconds)$/, text: (value) => `${digits(value)} s`, title: 's' },
];

/** @param name of a figure, whose last part may end in a unit: `put.parallel.p99Ms`, also with `.min` or `.max` after it */
export function describeFigure(name: string, value: number): string {
  if (!Number.isFinite(value)) return NOT_MEASURED;
  return unitOf(name)?.text(value) ?? digits(value);
}

/** `p99Ms` as people read it: `p99, ms`. */
export function columnTitle(name: string): string {
  const unit = unitOf(name);
  if (unit === undefined) return words(name);
  const what = words(name.replace(unit.ending, ''));
  return what === '' ? unit.title : `${what}, ${unit.title}`;
}

/** The value alone, in the unit that `columnTitle` names. */
export function describeCell(name: string, value: number): string {
  return digits(unitOf(name)?.title === '%' ? value * 100 : value);
}

/** Three significant digits; from a thousand on all digits before the point. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return NOT_MEASURED;
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

/** `7:05` */
export function describeSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const text = `${Math.floor(whole / 60) % 60}:${String(whole % 60).padStart(2, '0')}`;
  return whole < 3_600 ? text : `${Math.floor(whole / 3_600)}:${text.padStart(5, '0')}`;
}

function unitOf(name: string): Unit | undefined {
  const last = name.replace(/\.(?:min|max)$/, '');
  return UNITS.find(({ ending }) => ending.test(last));
}

/** `contextSwitches` → `context switches` */
function words(name: string): string {
  return name.replace(
    /([a-z\d])([A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
}
