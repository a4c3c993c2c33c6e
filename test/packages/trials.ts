/** What users do first with the installed packages, on a Node of theirs. Each trial throws when it fails. */
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { engineExamples } from '../support/doc-examples.ts';
import { freePortRow } from '../support/ports.ts';

const run = promisify(execFile);
const PATIENCE_MS = 90_000;
const FEATURES = path.join(import.meta.dirname, 'engine-features.ts');

const USE_ENGINE = `(async () => {
  const begun = performance.now();
  const engine = await open(process.argv[2]);
  const openMs = performance.now() - begun;
  await engine.put(Buffer.from('apple'), Buffer.from('red'));
  await engine.write([{ type: 'put', key: Buffer.from('pear'), value: Buffer.from('green') }]);
  await engine.compact();
  const entries = [];
  for await (const { key, value } of engine.range({ gte: Buffer.from('a') }))
    entries.push(Buffer.from(key) + '=' + Buffer.from(value));
  await engine.close();
  const again = await open(process.argv[2], { createIfMissing: false });
  entries.push(String(Buffer.from(await again.get(Buffer.from('apple')))));
  await again.close();
  console.log(JSON.stringify({ entries, openMs }));
})();
`;

/** @returns how long the first opening took in each way to load the package */
export async function tryEngine(
  node: string,
  folder: string,
): Promise<{ importMs: number; requireMs: number }> {
  const ways = {
    'import.mjs': "import { open } from 'native-free-lsm';\nimport 'native-free-lsm/simulation';\n",
    'require.cjs': "const { open } = require('native-free-lsm');\nrequire('native-free-lsm/simulation');\n",
  };
  const opened: number[] = [];
  for (const [file, head] of Object.entries(ways)) {
    await writeFile(path.join(folder, file), head + USE_ENGINE);
    const data = path.join(
      folder,
      'data',
      `${path.basename(path.dirname(node))}-${file}`,
      String(process.hrtime.bigint()),
    );
    const { stdout } = await run(node, [path.join(folder, file), data], {
      cwd: folder,
      timeout: PATIENCE_MS,
    });
    const { entries, openMs } = JSON.parse(stdout) as { entries: string[]; openMs: number };
    assert.deepEqual(entries, ['apple=red', 'pear=green', 'red'], file);
    opened.push(openMs);
  }
  return { importMs: opened[0], requireMs: opened[1] };
}

const USE_LEVEL = `import { NativeFreeLevel } from 'native-free-lsm/level';
const db = new NativeFreeLevel(process.argv[2], { valueEncoding: 'json' });
await db.put('apple', { colour: 'red' });
const fruit = db.sublevel('fruit');
await fruit.open();
await fruit.batch().put('pear', 'green').put('plum', 'blue').write();
const found = [await db.get('apple')];
for await (const entry of fruit.iterator({ reverse: true })) found.push(entry);
await db.close();
console.log(JSON.stringify(found));
`;

/** The engine behind abstract-level, which its user has installed, too. */
export async function tryLevel(node: string, folder: string): Promise<void> {
  const file = path.join(folder, 'level.mjs');
  await writeFile(file, USE_LEVEL);
  const data = path.join(folder, 'data', `level-${process.hrtime.bigint()}`);
  const { stdout } = await run(node, [file, data], { cwd: folder, timeout: PATIENCE_MS });
  assert.deepEqual(JSON.parse(stdout), [{ colour: 'red' }, ['plum', 'blue'], ['pear', 'green']]);
}

/**
 * Runs the programs of the engine's documents.
 * @param command a runtime that has `await using`, with its flags
 * @returns how many there are
 */
export async function tryExamples(command: readonly string[], folder: string): Promise<number> {
  const [program, ...flags] = command;
  const examples = [...engineExamples().values()].flat();
  for (const [index, { chapter, code, prints }] of examples.entries()) {
    const data = path.join(folder, 'data', `example-${process.hrtime.bigint()}`);
    const file = path.join(folder, `example-${index}.mjs`);
    await writeFile(file, code);
    await mkdir(data, { recursive: true });
    const { stdout } = await run(program, [...flags, file], { cwd: data, timeout: PATIENCE_MS });
    assert.deepEqual(stdout.split('\n').slice(0, -1), prints, chapter);
  }
  return examples.length;
}

/**
 * Tries each feature of the engine.
 * @param command a runtime that takes TypeScript, with its flags
 * @param limits what features do there that do not work in full
 * @returns a sentence for each feature that does something else
 */
export async function tryFeatures(
  command: readonly string[],
  folder: string,
  limits: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const [program, ...flags] = command;
  const door = path.join(folder, 'node_modules', 'native-free-lsm', 'dist', 'index.js');
  const { stdout } = await run(program, [...flags, FEATURES, door], { cwd: folder, timeout: PATIENCE_MS });
  const results = Object.entries(JSON.parse(stdout) as Record<string, string>);
  assert.ok(results.length >= 12, stdout);
  return results
    .filter(([feature, result]) => result !== (limits[feature] ?? 'works'))
    .map(([feature, result]) => `${feature}: ${result}`);
}

/** `npx quorate serve` in an empty folder: writes, reads and stops. */
export async function tryCluster(node: string, folder: string): Promise<{ startMs: number }> {
  const [port] = await freePortRow(3);
  const begun = performance.now();
  const child = spawn('npx', ['quorate', 'serve', '--port', String(port), '--data', `data-${port}`], {
    cwd: folder,
    env: environmentOf(node),
    stdio: ['ignore', 'pipe', 'pipe'],
    // As in a terminal: Ctrl-C reaches npx and all that it started.
    detached: true,
  });
  const ended = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  try {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    while (!output.includes('Ctrl-C stops.')) {
      if (child.exitCode !== null || patience.aborted) throw new Error(`serve said: ${output}`);
      await sleep(10);
    }
    const startMs = performance.now() - begun;
    // A machine that is busy may take longer than the deadline of a request, and a scan shows what one node has by now.
    const answers = async (path: string, wanted: string, init?: RequestInit): Promise<void> => {
      for (;;) {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
        const text = `${answer.status} ${await answer.text()}`;
        if (text === wanted) return;
        if (patience.aborted) throw new Error(`${path} answered ${text}; serve said: ${output}`);
      }
    };
    await answers('/v0/entity?id=greeting', '201 ', { method: 'PUT', body: 'hello' });
    await answers('/v0/entity?id=greeting', '200 hello');
    await answers('/v0/entities?start=', '200 greeting\nhello');
    return { startMs };
  } finally {
    process.kill(-(child.pid as number), 'SIGINT');
    await ended;
  }
}

/** The other commands that load something by its address: pools of threads, and files that a page carries. */
export async function tryCommands(node: string, folder: string): Promise<void> {
  const commands = [
    ['--version'],
    ['fill', '--size', '1MiB', '--nodes', '1', '--data', `fill-${process.hrtime.bigint()}`],
    ['simulate', '--seeds', '1', '--threads', '1', '--first-seed', '1'],
  ];
  for (const command of commands) {
    await run('npx', ['quorate', ...command], {
      cwd: folder,
      env: environmentOf(node),
      timeout: PATIENCE_MS,
    });
  }
}

/**
 * Where `quorate` does not run, it says so in a sentence.
 * @param command a runtime, with its flags
 */
export function assertRefuses(command: readonly string[], folder: string, runtime: string): void {
  const [program, ...flags] = command;
  const { status, stderr, stdout } = spawnSync(
    program,
    [...flags, path.join(folder, 'node_modules', 'quorate', 'dist', 'src', 'cli', 'bin.js'), 'serve'],
    { cwd: folder, encoding: 'utf8', timeout: PATIENCE_MS },
  );
  assert.equal(status, 1, stdout);
  assert.equal(stdout, '');
  const [said, ...more] = stderr.split('\n');
  assert.ok(said.startsWith(`quorate: it needs Node 24 or newer, and this is ${runtime}`), stderr);
  assert.deepEqual(more, ['']);
}

/** What an older Node says of the engine: one sentence, where it could load it. */
export function assertEngineRefuses(node: string, folder: string): void {
  for (const entry of ['native-free-lsm', 'native-free-lsm/level', 'native-free-lsm/simulation']) {
    const { status, stderr } = spawnSync(
      node,
      ['--input-type=module', '--eval', `await import(${JSON.stringify(entry)});`],
      { cwd: folder, encoding: 'utf8', timeout: PATIENCE_MS },
    );
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^Error: native-free-lsm needs Node 22\.15, 23\.8 or newer, and this is Node /m);
  }
}

/** As if this Node were the user's. */
function environmentOf(node: string): NodeJS.ProcessEnv {
  const { NODE_COMPILE_CACHE: _, ...environment } = process.env;
  return { ...environment, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}` };
}
