import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HttpClient } from '../support/http.ts';
import { freePortRow } from '../support/ports.ts';
import { until } from '../support/until.ts';

const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** What the sources import besides the dependencies of the published package, which carries parts of it. */
const CARRIED = ['msgpackr', 'piscina'];

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** The packages that a node loads, with all that these need: without what is optional, as their native parts are. */
function neededPackages(): ReadonlySet<string> {
  const dependenciesOf = (folder: string): string[] => {
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    return Object.keys(dependencies);
  };
  const needed = new Set([...dependenciesOf(PROJECT), ...CARRIED]);
  // A set that grows is walked to its end.
  for (const name of needed)
    for (const other of dependenciesOf(join(PROJECT, 'node_modules', name))) needed.add(other);
  return needed;
}

test('a node serves with the native parts of its dependencies removed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-pure-'));
  for (const name of ['cli.ts', 'package.json', 'src', 'native-free-lsm']) {
    cpSync(join(PROJECT, name), join(directory, name), { recursive: true });
  }
  for (const name of neededPackages()) {
    cpSync(join(PROJECT, 'node_modules', name), join(directory, 'node_modules', name), { recursive: true });
  }
  assert.ok(!existsSync(join(directory, 'node_modules/@napi-rs')));
  assert.ok(!existsSync(join(directory, 'node_modules/msgpackr-extract')));
  const [port] = await freePortRow(1);
  const args = ['cli.ts', 'serve', '--nodes', '1', '--port', String(port), '--data', join(directory, 'data')];
  const child = spawn(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  using client = new HttpClient();
  try {
    await until(
      () => output.includes('Ctrl-C stops.'),
      60_000,
      () => `serve said: ${output}`,
    );
    assert.equal((await client.put(port, 'key', 'value')).status, 201);
    assert.equal((await client.get(port, 'key')).body.toString(), 'value');
  } finally {
    child.kill('SIGTERM');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  }
});
