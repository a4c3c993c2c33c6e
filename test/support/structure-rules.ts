/**
 * The rules of the project's layout, each a function from its sources to what breaks it, as `path:line: sentence`.
 * The layout in one line: cli.ts → src/cli → src/node → src/coordinator → {src/cluster, src/rpc, src/replica}; doors as
 * src/http hang between src/cli and src/admission, which the node shares with them; and everything → the leaves
 * directly in src/. Pure.
 */
import { lineAt, type ScannedSource, type SourceImport } from './source-scan.ts';

export type Sources = ReadonlyMap<string, ScannedSource>;
export type Rule = (sources: Sources) => string[];

export const MAX_LINES = 800;
export const AIM_LINES = 400;

const ENGINE = 'native-free-lsm/';
const ENGINE_DOOR = 'native-free-lsm/index.ts';
/** A memory file system and threads in line: for who simulates nodes. */
const ENGINE_SIMULATION = 'native-free-lsm/simulation/index.ts';
const CLOCKS: ReadonlySet<string> = new Set(['src/clock.ts', 'native-free-lsm/clock.ts']);
const SOCKET_RESET = 'src/reset-socket.ts';
/**
 * Which parts of src a part may import besides itself; all may import the leaves. A door, as HTTP is one, and the node
 * that serves through it do not know each other, so a node needs no door, and another door no change of the node.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/cluster': [],
  'src/rpc': [],
  'src/replica': [],
  'src/peer-http': ['src/rpc'],
  'src/admission': [],
  'src/coordinator': ['src/cluster', 'src/rpc', 'src/replica'],
  'src/http': ['src/admission'],
  'src/node': ['src/admission', 'src/coordinator', 'src/cluster', 'src/peer-http', 'src/rpc', 'src/replica'],
  'src/simulation': ['src/node', 'src/admission', 'src/coordinator', 'src/cluster', 'src/rpc', 'src/replica'],
  'src/cli': [
    'src/simulation',
    'src/node',
    'src/http',
    'src/admission',
    'src/coordinator',
    'src/cluster',
    'src/rpc',
    'src/replica',
  ],
  'cli.ts': ['src/cli'],
  deploy: ['src/cli'],
};
const LEAVES = 'src/leaves';
/** Modules that do nothing but compute. */
const COMPUTING_MODULES: ReadonlySet<string> = new Set(['node:buffer', 'node:util', 'node:zlib']);
const PURE_NAMES = /(?:^|\/)(?:quorum|[\w-]*accumulator|placement|rendezvous|slots|[\w-]*codec|picker)\.ts$/;
/** Calls of Atomics so far apart may share a comment. */
const CLOSE_LINES = 2;
const PURE_HEADER = /\bPure[.:;,]/;

function isTestOrBench(path: string): boolean {
  return path.startsWith('test/') || path.startsWith('bench/');
}

function ofProduct(sources: Sources): ScannedSource[] {
  return [...sources.values()].filter((source) => !isTestOrBench(source.path));
}

/** The part of src a file belongs to, as MAY_IMPORT names it; undefined outside src. */
function groupOf(path: string): string | undefined {
  if (path === 'cli.ts') return path;
  if (path.startsWith('deploy/')) return 'deploy';
  if (!path.startsWith('src/')) return undefined;
  const group = path.slice(0, path.indexOf('/', 'src/'.length));
  return group in MAY_IMPORT ? group : LEAVES;
}

function mayImport(from: string, to: string): boolean {
  return to === from || to === LEAVES || MAY_IMPORT[from]?.includes(to) === true;
}

/** Whether a part of src may import this file of the engine. */
function isDoorFor(from: string, target: string): boolean {
  return target === ENGINE_DOOR || (target === ENGINE_SIMULATION && from === 'src/simulation');
}

/** Path from the project's root of a relative import; undefined for a package. */
function resolveImport(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? new URL(specifier, `file:///${from}`).pathname.slice(1) : undefined;
}

function complain(source: ScannedSource, found: SourceImport, sentence: string): string {
  return `${source.path}:${found.line}: ${sentence}`;
}

export const importsRunDownward: Rule = (sources) => {
  const broken: string[] = [];
  for (const source of ofProduct(sources)) {
    const from = groupOf(source.path);
    for (const found of source.imports) {
      const target = resolveImport(source.path, found.specifier);
      if (target === undefined) continue;
      const to = groupOf(target);
      if (isTestOrBench(target))
        broken.push(complain(source, found, `imports ${target} of the tests or benchmarks`));
      else if (from !== undefined && to !== undefined) {
        if (!mayImport(from, to)) {
          broken.push(complain(source, found, `imports ${target}: ${from} does not know ${to}`));
        }
      } else if (from === undefined && !target.startsWith(ENGINE)) {
        broken.push(
          complain(source, found, `imports ${target}: the engine knows nothing outside its package`),
        );
      } else if (from !== undefined && target.startsWith(ENGINE) && !isDoorFor(from, target)) {
        broken.push(complain(source, found, `imports ${target}: the engine's only door is ${ENGINE_DOOR}`));
      }
    }
  }
  return broken;
};

export const importsHaveNoCycles: Rule = (sources) => {
  const broken: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const source = sources.get(path);
    if (source === undefined || state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      broken.push(`${path}:1: imports itself by way of ${trail.slice(trail.indexOf(path) + 1).join(', ')}`);
      return;
    }
    state.set(path, 'open');
    trail.push(path);
    for (const { specifier } of source.imports) visit(resolveImport(path, specifier) ?? '');
    trail.pop();
    state.set(path, 'done');
  };
  for (const path of sources.keys()) visit(path);
  return broken;
};

export const importsNameTheirFile: Rule = (sources) => {
  const broken: string[] = [];
  for (const source of sources.values()) {
    for (const found of source.imports) {
      const target = resolveImport(source.path, found.specifier);
      if (target === undefined) continue;
      if (!/\.(?:ts|json)$/.test(found.specifier)) {
        broken.push(complain(source, found, `imports ${found.specifier} without .ts`));
      } else if (found.specifier.endsWith('.ts') && !sources.has(target)) {
        broken.push(complain(source, found, `imports ${found.specifier}, which is not there`));
      }
    }
  }
  return broken;
};

/** The other entry points of msgpackr load its native part, or more of the package than is used. */
export const msgpackrWithoutItsNativePart: Rule = (sources) => {
  const broken: string[] = [];
  for (const source of sources.values()) {
    for (const found of source.imports) {
      if (/^msgpackr(?!\/(?:pack|unpack)$)/.test(found.specifier)) {
        broken.push(
          complain(source, found, `imports ${found.specifier}: only msgpackr/pack and msgpackr/unpack`),
        );
      }
    }
  }
  return broken;
};

export const filesStayShort: Rule = (sources) =>
  ofProduct(sources)
    .filter((source) => source.lines > MAX_LINES)
    .map((source) => `${source.path}:${MAX_LINES}: has ${source.lines} lines`);

export function filesAboveTheAim(sources: Sources): string[] {
  return ofProduct(sources)
    .filter((source) => source.lines > AIM_LINES)
    .map((source) => `${source.path} has ${source.lines} lines; ${AIM_LINES} is the aim`);
}

export const timeAndChanceComeFromTheClock: Rule = (sources) => {
  const raw =
    /(?<![.\w$])(?:new\s+Date\s*\(\s*\)|(?:Date\s*\.\s*now|Math\s*\.\s*random|performance\s*\.\s*now|process\s*\.\s*hrtime|(?:globalThis\s*\.\s*)?set(?:Timeout|Interval|Immediate))\b)/g;
  const broken: string[] = [];
  for (const source of ofProduct(sources)) {
    if (CLOCKS.has(source.path)) continue;
    broken.push(...matches(source, raw, (match) => `${match[0]} is for ${[...CLOCKS].join(' and ')} alone`));
    for (const found of source.imports) {
      if (/^(?:node:)?timers(?:\/promises)?$/.test(found.specifier)) {
        broken.push(complain(source, found, `imports ${found.specifier}, which is for the clocks alone`));
      }
    }
  }
  return broken;
};

/** Node's own reset can leave a socket open for good; tests and benchmarks would not end then, either. */
export const socketsAreResetInOnePlace: Rule = (sources) =>
  [...sources.values()]
    .filter((source) => source.path !== SOCKET_RESET)
    .flatMap((source) =>
      matches(source, /\.\s*resetAndDestroy\b/g, () => `resets a socket, which is for ${SOCKET_RESET} alone`),
    );

export const nothingIsAny: Rule = (sources) => {
  const any = /(?:[:<|&,=]|\bas|\bextends|\bsatisfies|\bkeyof)\s*any\b(?!\s*[:(.])/g;
  return ofProduct(sources).flatMap((source) => matches(source, any, () => 'uses the type any'));
};

/**
 * A file is pure by its name or because its header says so; then so is everything it imports. The engine's door is
 * as far as this looks: pure files take the record's helpers from there.
 */
export const pureFilesOnlyCompute: Rule = (sources) => {
  const broken: string[] = [];
  for (const source of ofProduct(sources)) {
    if (!isPure(source)) continue;
    const seen = new Set<string>([source.path]);
    const reach = [source];
    for (let next = reach.pop(); next !== undefined; next = reach.pop()) {
      for (const found of next.imports) {
        if (found.typeOnly) continue;
        const target = resolveImport(next.path, found.specifier);
        const how = next === source ? '' : ` by way of ${next.path}`;
        if (found.specifier.startsWith('node:') && !COMPUTING_MODULES.has(found.specifier)) {
          broken.push(complain(source, found, `is pure and imports ${found.specifier}${how}`));
        } else if (target !== undefined && CLOCKS.has(target)) {
          broken.push(complain(source, found, `is pure and imports ${target}${how}`));
        } else if (
          target !== undefined &&
          target !== ENGINE_DOOR &&
          !seen.has(target) &&
          sources.has(target)
        ) {
          seen.add(target);
          reach.push(sources.get(target)!);
        }
      }
    }
  }
  return broken;
};

export function isPure(source: ScannedSource): boolean {
  return PURE_NAMES.test(source.path) || PURE_HEADER.test(source.header);
}

export const everyTestRuns: Rule = (sources) => {
  const held =
    /(?<![\w$])(?:test|it|describe|suite|t|context)\s*\.\s*(?:skip|only|todo)\b|\b(?:skip|only|todo)\s*:\s*(?:true\b|")/g;
  return [...sources.values()]
    .filter((source) => source.path.startsWith('test/'))
    .flatMap((source) => matches(source, held, (match) => `holds a test back: ${match[0]}`));
};

/**
 * What another thread may see, and in which order, is the hardest thing to find out from code: at each call of Atomics
 * a comment says why it stands there and as it is. One comment serves calls that follow closely on each other.
 */
export const atomicsSayWhy: Rule = (sources) => {
  const call =
    /(?<![.\w$])Atomics\s*\.\s*(?:load|store|add|sub|and|or|xor|exchange|compareExchange|wait|waitAsync|notify)\s*\(/;
  const broken: string[] = [];
  for (const source of ofProduct(sources)) {
    const code = source.code.split('\n');
    const text = source.text.split('\n');
    const isComment = (line: number): boolean => text[line]?.trim() !== '' && code[line]?.trim() === '';
    let explained = Number.NEGATIVE_INFINITY;
    for (const [line, content] of code.entries()) {
      if (!call.test(content)) continue;
      let first = line;
      // A statement may have begun further up.
      while (first > 0 && /[=(,&|?:]$/.test(code[first - 1].trimEnd())) first--;
      // Where a comment was, the code has a space.
      const isBeside = /\s$/.test(content) && !/\s$/.test(text[line]);
      if (isBeside || isComment(first - 1) || line - explained <= CLOSE_LINES) explained = line;
      else broken.push(`${source.path}:${line + 1}: no comment says why this call of Atomics is needed`);
    }
  }
  return broken;
};

/** Node 22, on which the engine runs too, does not have these, and the types of Node do not say so. */
export const engineRunsOnNode22: Rule = (sources) =>
  [...sources.values()]
    .filter((source) => source.path.startsWith(ENGINE))
    .flatMap((source) =>
      matches(
        source,
        /(?<![.\w$])(?:(?:Async)?DisposableStack|Float16Array)\b/g,
        (match) => `uses ${match[0]}, which Node 22 does not have`,
      ),
    );

/** A build compiles .ts to .js: a module that is named by its address must take the ending of who names it. */
export const addressesFollowTheBuild: Rule = (sources) =>
  ofProduct(sources).flatMap((source) =>
    [...source.text.matchAll(/new URL\(\s*['"`][^'"`]*\.ts['"`]/g)].map(
      (match) =>
        `${source.path}:${lineAt(source.text, match.index)}: names a module by .ts, which is .js once it is compiled`,
    ),
  );

export const fewOpenTheEngine: Rule = (sources) => {
  const allowed = /^src\/(?:node\/data-folder|cli\/(?:fill|lsm)\/[\w-]+)\.ts$/;
  const opening =
    /(?<![.\w$])(?:RecordStore|Engine)\s*\.\s*open\b|import\s*\{[^}]*\bopen\b[^}]*\}\s*from\s*"/g;
  return ofProduct(sources)
    .filter((source) => !source.path.startsWith(ENGINE) && !allowed.test(source.path))
    .filter((source) => source.imports.some(({ specifier }) => specifier.endsWith(ENGINE_DOOR)))
    .flatMap((source) =>
      matches(
        source,
        opening,
        () => 'opens the engine, which is for node/data-folder.ts and the offline commands',
      ),
    );
};

/** Files whose exports are for whoever uses the package, or are read by Node when it starts. */
const DOORS: ReadonlySet<string> = new Set([ENGINE_DOOR, 'native-free-lsm/simulation/index.ts', 'cli.ts']);
/** What a library or the engine looks up in a module by this name. */
const LOADED_BY_NAME: ReadonlySet<string> = new Set(['run', 'encoder']);

const BOUND = 'a bound that its tests go up to';
const PURE = 'a pure part that is tested by itself';
const MADE = 'what tests and benchmarks make their own nodes from';
const WIRE = 'a name or number that others read, which tests compare with what was written';
/** The values that only tests and benchmarks import, as `path name`, and why they are exported all the same. */
export const USED_BY_TESTS_ALONE: Readonly<Record<string, string>> = {
  'src/hybrid-clock.ts RESERVE_AHEAD_MS': BOUND,
  'src/line-writer.ts MAX_WAITING_BYTES': BOUND,
  'src/admission/client-connection.ts FIRST_REQUESTS_IN_WORK': BOUND,
  'src/admission/client-connection.ts MAX_REQUESTS_IN_WORK': BOUND,
  'src/admission/client-connection.ts MAX_UNREAD_BYTES': BOUND,
  'src/admission/scan-slots.ts MAX_SCANS': BOUND,
  'src/replica/read-repair/repair-lane.ts MAX_QUEUED_REPAIRS': BOUND,
  'src/http/body-watch.ts WATCH_TICKS': BOUND,
  'src/peer-http/once.ts MAX_MISSING': BOUND,
  'src/rpc/cluster-secret.ts MIN_SECRET_LENGTH': BOUND,
  'src/rpc/cluster-secret.ts MAX_SECRET_LENGTH': BOUND,
  'src/cli/serve/supervisor.ts QUIET_PATIENCE_MS': BOUND,
  'native-free-lsm/format/varint.ts MAX_VARINT_BYTES': BOUND,
  'src/cli/profile/view/cpu-tree.ts WAITING_FUNCTIONS': PURE,
  'src/cluster/rendezvous.ts logOfFraction': PURE,
  'src/cluster/topology.ts parseTopology': PURE,
  'src/node/loop-delay.ts LoopDelay': PURE,
  'src/cli/fill/keys.ts numberAtRank': PURE,
  'src/cli/fill/values.ts fillValue': PURE,
  'src/cli/load/key-choice.ts ZipfianRanks': PURE,
  'src/cli/load/run.ts whyNot': PURE,
  'src/cli/lsm/format.ts jsonBytes': PURE,
  'native-free-lsm/clock.ts threadOriginMs': PURE,
  'native-free-lsm/compaction/picker.ts levelTargets': PURE,
  'native-free-lsm/compaction/picker.ts levelScore': PURE,
  'src/log.ts silentLog': MADE,
  'src/http/entry-encoding.ts ENTRY_ENCODINGS': MADE,
  'src/cli/serve/child-process.ts NODE_FLAGS': MADE,
  'src/cli/serve/child-process.ts NODE_ENVIRONMENT': MADE,
  'src/node/clock-watch.ts CLOCK_OFF': WIRE,
  'src/rpc/operation-table.ts RANGE_PAGE_NUMBER': WIRE,
  'native-free-lsm/store/recovery.ts readServableState': PURE,
  'native-free-lsm/sstable/properties.ts CREATOR': WIRE,
  'native-free-lsm/sstable/table-format.ts TABLE_FORMAT_VERSION': WIRE,
};

interface Declaration {
  readonly source: ScannedSource;
  readonly kind: string;
  readonly name: string;
  readonly line: number;
}

function exportsOf(source: ScannedSource): Declaration[] {
  const declared =
    /^export\s+(?:abstract\s+|async\s+)*(const|let|function|class|interface|type)\b\s*\*?\s*([\w$]+)/gm;
  return [...source.code.matchAll(declared)].map((match) => {
    return { source, kind: match[1], name: match[2], line: lineAt(source.code, match.index) };
  });
}

/**
 * What is exported is imported somewhere in the product. A type may also be there for the tests that make such values.
 * Values that only tests and benchmarks use are listed with a reason in `allowed`, as `path name`.
 */
export function exportsAreUsed(allowed: Readonly<Record<string, string>>): Rule {
  return (sources) => {
    const users = new Map<string, ScannedSource[]>();
    const passedOn = new Set<string>();
    for (const source of sources.values()) {
      for (const { specifier } of source.imports) {
        const target = resolveImport(source.path, specifier);
        if (target !== undefined) users.set(target, [...(users.get(target) ?? []), source]);
      }
      if (!DOORS.has(source.path)) continue;
      for (const [, specifier] of source.text.matchAll(/^export \* from '([^']+)'/gm))
        passedOn.add(resolveImport(source.path, specifier) ?? '');
    }
    const broken: string[] = [];
    for (const source of ofProduct(sources)) {
      if (DOORS.has(source.path) || passedOn.has(source.path)) continue;
      for (const { kind, name, line } of exportsOf(source)) {
        if (LOADED_BY_NAME.has(name) || allowed[`${source.path} ${name}`] !== undefined) continue;
        const using = (users.get(source.path) ?? []).filter(({ code }) =>
          new RegExp(`(?<![\\w$])${name}(?![\\w$])`).test(code),
        );
        if (using.some(({ path }) => !isTestOrBench(path))) continue;
        if (using.length > 0 && (kind === 'interface' || kind === 'type')) continue;
        const who = using.length > 0 ? 'only by tests or benchmarks' : 'by nobody';
        broken.push(`${source.path}:${line}: exports ${name}, which is used ${who}`);
      }
    }
    return broken;
  };
}

/** A name means one thing in the product: a type, class or constant of one name is exported in one place. */
export const namesAreDeclaredOnce: Rule = (sources) => {
  const first = new Map<string, Declaration>();
  const broken: string[] = [];
  for (const source of ofProduct(sources)) {
    for (const declaration of exportsOf(source)) {
      const { kind, name, line } = declaration;
      if (kind === 'function' || LOADED_BY_NAME.has(name)) continue;
      const other = first.get(name);
      // The type of a constant stands beside it under its name.
      if (other === undefined) first.set(name, declaration);
      else if (other.source !== source)
        broken.push(`${source.path}:${line}: exports ${name}, as ${other.source.path} does`);
    }
  }
  return broken;
};

/** How many types, classes and constants the product exports. */
export function countOfExports(sources: Sources): number {
  return ofProduct(sources)
    .flatMap(exportsOf)
    .filter(({ kind }) => kind !== 'function').length;
}

function matches(
  source: ScannedSource,
  pattern: RegExp,
  sentence: (match: RegExpExecArray) => string,
): string[] {
  const found: string[] = [];
  for (const match of source.code.matchAll(pattern)) {
    found.push(`${source.path}:${lineAt(source.code, match.index)}: ${sentence(match)}`);
  }
  return found;
}
