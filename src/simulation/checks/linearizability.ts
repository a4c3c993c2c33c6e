/**
 * Whether a history of one register a key is linearizable: each operation can be given one moment between its call and
 * its answer, so that every read returns what the last write before it wrote. Wing and Gong's search ("Testing and
 * Verifying Concurrent Objects", 1993) with Lowe's memory of what was tried ("Testing for Linearizability", 2017), key by
 * key. The search takes what may come next, goes on, and goes back where a read does not fit; it never tries the same set
 * of operations with the same value twice. Two things keep it short where dozens of operations are under way at once, as
 * after a partition:
 * - A read that fits is taken and never put elsewhere: it changes nothing, so if there is an order there is one with it
 *   here.
 * - Of writes that may come next and write the same, as deletions do, only the one that is answered first is tried:
 *   where another one has its place, the two can change places.
 *
 * A write with an unknown outcome (a time-out, an answer that never came) may take effect at any moment after its call,
 * or never. So does a value that expires. A read without an answer says nothing, and is left out. Pure.
 */

/** What a client saw of one request. Times are whatever grows: a counter of events is the most exact. */
export interface RegisterOperation {
  readonly key: string;
  /** Expiry: where this value is still there, it is gone by itself. */
  readonly kind: 'read' | 'write' | 'expiry';
  /** What was written or read, or expires; null: the key is deleted, or was not there. */
  readonly value: string | null;
  readonly calledAt: number;
  /** One answered before another was called comes before it. Infinity: nobody knows whether it had an effect. */
  readonly answeredAt: number;
}

/** Why there is no such order. */
interface LinearizabilityFault {
  readonly key: string;
  /** As many as could be put in order, in that order. */
  readonly longestPrefix: readonly RegisterOperation[];
  /** What was under way then, of which none could be the next: one of them is wrong. */
  readonly stuck: readonly RegisterOperation[];
}

/** A call or an answer, in a list in the order of time. */
interface Entry {
  readonly operation: RegisterOperation;
  /** Of the operation, the same in both its entries. */
  readonly id: number;
  /**
   * Whether it makes a difference later that it was taken. Not so the expiry of a value that is written once: once there
   * is another value, it cannot follow any more.
   */
  readonly isRemembered: boolean;
  /** Null in an answer itself, and in the call of a write that has none. */
  readonly answer: Entry | null;
  readonly isCall: boolean;
  earlier: Entry | null;
  later: Entry | null;
}

interface Step {
  readonly call: Entry;
  readonly valueBefore: string | null;
}

/** @returns a fault of the first key that has one; null: the history is linearizable */
export function linearizabilityFault(history: readonly RegisterOperation[]): LinearizabilityFault | null {
  for (const operations of Map.groupBy(history, ({ key }) => key).values()) {
    const fault = faultOfKey(operations);
    if (fault !== null) return fault;
  }
  return null;
}

/** For a person: what could be put in order last, and what did not fit. */
export function describeFault({ key, longestPrefix, stuck }: LinearizabilityFault): string {
  const lines = [`Key ${key} is not linearizable. ${longestPrefix.length} operations have an order, at last`];
  for (const operation of longestPrefix.slice(-8)) lines.push(`  ${describeOperation(operation)}`);
  lines.push('and none of these can follow:');
  for (const operation of stuck) lines.push(`  ${describeOperation(operation)}`);
  return lines.join('\n');
}

function describeOperation({ kind, value, calledAt, answeredAt }: RegisterOperation): string {
  const until = answeredAt === Number.POSITIVE_INFINITY ? 'unknown' : answeredAt;
  return `${kind} ${value === null ? 'nothing' : JSON.stringify(value)}, ${calledAt} to ${until}`;
}

function faultOfKey(operations: readonly RegisterOperation[]): LinearizabilityFault | null {
  const considered = operations.filter(isConsidered(operations));
  const first = entriesOf(considered);
  const answered = considered.filter(({ answeredAt }) => answeredAt !== Number.POSITIVE_INFINITY).length;
  const head: Entry = {
    operation: operations[0],
    id: -1,
    isRemembered: false,
    answer: null,
    isCall: false,
    earlier: null,
    later: first,
  };
  if (first !== null) first.earlier = head;
  const taken = new Uint32Array(Math.ceil(considered.length / 32));
  const tried = new Set<string>();
  const steps: Step[] = [];
  let longest: readonly Step[] = [];
  let stuck: readonly RegisterOperation[] = [];
  let value: string | null = null;
  let missing = answered;
  let entry = fittingRead(head, value) ?? head.later;
  while (missing > 0) {
    if (entry?.isCall === true) {
      const next: string | null | undefined = valueAfter(entry.operation, value);
      // A write that need not be in the order at all, and would change nothing here, is left out.
      const isIdle = entry.answer === null && next === value;
      if (next === undefined || isIdle || hasStandIn(entry, head)) {
        entry = entry.later;
        continue;
      }
      if (isNew(tried, taken, entry, next)) {
        steps.push({ call: entry, valueBefore: value });
        value = next;
        if (entry.answer !== null) missing--;
        lift(entry);
        entry = fittingRead(head, value) ?? head.later;
        continue;
      }
      if (entry.operation.kind !== 'read') {
        entry = entry.later;
        continue;
      }
    }
    // Whatever comes next was called after an answer that is missing, and nothing before that fits: the last write in the
    // order was wrong.
    if (steps.length >= longest.length) {
      longest = [...steps];
      stuck = callsBeforeAnswer(head);
    }
    let call: Entry;
    do {
      const step = steps.pop();
      if (step === undefined) {
        const longestPrefix = longest.map((one) => one.call.operation);
        return { key: operations[0].key, longestPrefix, stuck };
      }
      call = step.call;
      value = step.valueBefore;
      taken[call.id >>> 5] &= ~(1 << (call.id & 31));
      if (call.answer !== null) missing++;
      putBack(call);
    } while (call.operation.kind === 'read');
    entry = call.later;
  }
  return null;
}

/** A read that may come next; null: there is none. */
function fittingRead(head: Entry, value: string | null): Entry | null {
  for (let entry = head.later; entry?.isCall === true; entry = entry.later)
    if (entry.operation.kind === 'read' && entry.operation.value === value) return entry;
  return null;
}

/** Whether another write of the same, which may come next as well, is to be tried instead of this one. */
function hasStandIn({ id, operation }: Entry, head: Entry): boolean {
  if (operation.kind !== 'write') return false;
  for (let other = head.later; other?.isCall === true; other = other.later) {
    const { answeredAt, kind, value } = other.operation;
    if (kind !== 'write' || value !== operation.value) continue;
    if (answeredAt < operation.answeredAt || (answeredAt === operation.answeredAt && other.id < id))
      return true;
  }
  return false;
}

/** Undefined: the operation cannot come next. */
function valueAfter(operation: RegisterOperation, value: string | null): string | null | undefined {
  if (operation.kind === 'write') return operation.value;
  if (operation.value !== value) return undefined;
  return operation.kind === 'expiry' ? null : value;
}

/** Whether this set of operations with this value was not tried before; its bit is set then. */
function isNew(
  tried: Set<string>,
  taken: Uint32Array,
  { id, isRemembered }: Entry,
  value: string | null,
): boolean {
  const word = id >>> 5;
  const bit = isRemembered ? 1 << (id & 31) : 0;
  taken[word] |= bit;
  const configuration = `${taken.join(' ')} ${value === null ? '' : `=${value}`}`;
  if (!tried.has(configuration)) {
    tried.add(configuration);
    return true;
  }
  taken[word] &= ~bit;
  return false;
}

/**
 * Not a read without an answer, nor what of unknown outcome would leave behind what nobody has read: leaving it out is an
 * order, too.
 */
function isConsidered(operations: readonly RegisterOperation[]): (operation: RegisterOperation) => boolean {
  const isKnown = ({ answeredAt }: RegisterOperation): boolean => answeredAt !== Number.POSITIVE_INFINITY;
  const read = new Set<string | null>();
  for (const operation of operations)
    if (operation.kind === 'read' && isKnown(operation)) read.add(operation.value);
  // What expires may be there for nobody to read, and leave nothing behind.
  if (read.has(null)) for (const { kind, value } of operations) if (kind === 'expiry') read.add(value);
  return (operation) => {
    if (operation.kind === 'expiry') return read.has(null);
    return isKnown(operation) || (operation.kind === 'write' && read.has(operation.value));
  };
}

/** @returns the first; of entries at the same time the calls come first, so that they count as concurrent */
function entriesOf(operations: readonly RegisterOperation[]): Entry | null {
  const entries: Entry[] = [];
  const writes = Map.groupBy(
    operations.filter(({ kind }) => kind === 'write'),
    ({ value }) => value,
  );
  for (const [id, operation] of operations.entries()) {
    const isRemembered = operation.kind !== 'expiry' || (writes.get(operation.value)?.length ?? 0) > 1;
    const common = { operation, id, isRemembered, earlier: null, later: null };
    const isKnown = operation.answeredAt !== Number.POSITIVE_INFINITY;
    const answer: Entry | null = isKnown ? { ...common, answer: null, isCall: false } : null;
    entries.push({ ...common, answer, isCall: true });
    if (answer !== null) entries.push(answer);
  }
  entries.sort((a, b) => timeOf(a) - timeOf(b) || Number(b.isCall) - Number(a.isCall));
  for (const [i, entry] of entries.entries()) {
    entry.earlier = entries[i - 1] ?? null;
    entry.later = entries[i + 1] ?? null;
  }
  return entries[0] ?? null;
}

function timeOf({ isCall, operation }: Entry): number {
  return isCall ? operation.calledAt : operation.answeredAt;
}

/** Takes an operation out of the list. It keeps its links, by which it is put back. */
function lift(call: Entry): void {
  unlink(call);
  if (call.answer !== null) unlink(call.answer);
}

/** In the opposite order of `lift`. */
function putBack(call: Entry): void {
  if (call.answer !== null) relink(call.answer);
  relink(call);
}

function unlink({ earlier, later }: Entry): void {
  if (earlier !== null) earlier.later = later;
  if (later !== null) later.earlier = earlier;
}

function relink(entry: Entry): void {
  if (entry.earlier !== null) entry.earlier.later = entry;
  if (entry.later !== null) entry.later.earlier = entry;
}

/** What may come next, whether it fits or not. */
function callsBeforeAnswer(head: Entry): RegisterOperation[] {
  const calls: RegisterOperation[] = [];
  for (let entry = head.later; entry?.isCall === true; entry = entry.later) calls.push(entry.operation);
  return calls;
}
