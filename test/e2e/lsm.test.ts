/** `lsm` over the real command line: folders that `fill` and a node have made, damaged, looked into and repaired. */
import assert from 'node:assert/strict';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestNode } from '../support/cluster.ts';
import { HttpClient } from '../support/http.ts';
import { freePortRow } from '../support/ports.ts';
import { runCli } from '../support/run-cli.ts';
import { WarmCommands } from '../support/warm-commands.ts';

interface Ran {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const commands = new WarmCommands();
after(() => commands[Symbol.dispose]());

async function lsm(...args: string[]): Promise<Ran> {
  const { exitCode, stdout, stderr } = await commands.run(['lsm', ...args]);
  return { exitCode, stdout: String(stdout), stderr };
}

/** The output of a command that must succeed. */
async function printed(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await lsm(...args);
  assert.equal(exitCode, 0, stderr);
  return stdout;
}

/** Names, sizes and times of all files below a folder. (Taking the engine's lock makes and removes one beside it.) */
function state(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = statSync(join(directory, name));
      return stat.isDirectory() ? name : `${name} ${stat.size} ${stat.mtimeMs}`;
    });
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[(at + bytes.length) % bytes.length] ^= 0x20;
  writeFileSync(file, bytes);
}

function tablesOf(engine: string): string[] {
  return readdirSync(engine)
    .filter((name) => name.endsWith('.sst'))
    .sort();
}

describe('lsm', { timeout: 240_000 }, () => {
  let root = '';
  /** A node of a cluster of one, filled, then served and written to, killed once and stopped. */
  let sample = '';
  let copies = 0;
  let keys = 0;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'quorate-lsm-'));
    const data = join(root, 'data');
    const filled = await commands.run([
      'fill',
      '--data',
      data,
      '--nodes',
      '1',
      '--size',
      '2MiB',
      '--value-size',
      '200',
    ]);
    assert.equal(filled.exitCode, 0, filled.stderr);
    keys = Number(/^keys +(\d+)/m.exec(String(filled.stdout))?.[1]);
    const [port] = await freePortRow(1);
    const args = ['serve', '--nodes', '1', '--data', data, '--port', String(port)];
    const node = new TestNode('node-1', port, data, args);
    using client = new HttpClient();
    await node.start();
    try {
      for (let i = 1; i <= 20; i++) await client.put(port, `key${i}`, Buffer.from(`new ${i}`));
      await client.delete(port, 'key21');
      await client.put(port, 'tab\tand "quote"', Buffer.from([0, 0xff, 0x0a]));
      for (const command of [['compact'], ['repair'], ['repair', '--apply']]) {
        const [name, ...flags] = command;
        const { exitCode, stderr, stdout } = await lsm(name, join(data, 'node-1'), ...flags);
        assert.deepEqual([exitCode, stdout], [1, '']);
        assert.match(
          stderr,
          /^quorate: the folder \S+ is in use: stop its node \(or the other command\) first\n$/,
        );
      }
    } finally {
      await node.stop();
    }
    sample = join(data, 'node-1');
  });

  after(() => rmSync(root, { recursive: true, force: true }));

  /** A folder of its own to be damaged. */
  function copy(): { node: string; engine: string } {
    const node = join(root, `copy-${++copies}`);
    cpSync(sample, node, { recursive: true, preserveTimestamps: true });
    return { node, engine: join(node, 'engine') };
  }

  it('reads the folder of a node that runs, and the node goes on', async () => {
    const data = join(root, 'running');
    const running = join(data, 'node-1');
    const [port] = await freePortRow(1);
    const node = servedAlone(data, port);
    using client = new HttpClient();
    await node.start();
    try {
      for (let i = 1; i <= 20; i++) await client.put(port, `key${i}`, Buffer.from(`new ${i}`));
      let writes = 0;
      let isRead = false;
      const writing = (async () => {
        for (; !isRead; writes++) await client.put(port, `other${writes}`, Buffer.alloc(1000, 'x'));
      })();
      const stat = await lsm('stat', running, '--live', '--json');
      const writesAfter = writes;
      const verified = await lsm('verify', running, '--json');
      const dumped = await lsm('dump', running, '--keys', 'key..key2');
      isRead = true;
      await writing;
      assert.deepEqual([stat.exitCode, verified.exitCode, dumped.exitCode], [0, 0, 0], stat.stderr);
      const { isInUse, live } = JSON.parse(stat.stdout);
      const clients = live.entries - 20;
      assert.ok(
        isInUse === true && clients >= 0 && clients <= writesAfter + 10,
        `${live.entries} of ${writesAfter}`,
      );
      assert.ok(writes > 0);
      const { damages, isInUse: isVerifiedInUse, isOrderChecked } = JSON.parse(verified.stdout);
      assert.deepEqual([damages, isVerifiedInUse, isOrderChecked], [[], true, true]);
      const keys = dumped.stdout.split('\n').map((line) => line.split('\t')[0]);
      assert.deepEqual(keys, ['key1', ...Array.from({ length: 10 }, (_, i) => `key${10 + i}`), '']);
      assert.match(
        (await lsm('stat', running)).stdout,
        /^in use {4}the folder is in use: this is one moment/m,
      );
      assert.match((await lsm('verify', running)).stdout, /^note: the folder is in use.*no damage\n$/s);
      const log = (await lsm('stat', running, '--json')).stdout;
      const { exitCode, stdout } = await lsm('dump', running, '--file', JSON.parse(log).logs.at(-1).file);
      assert.ok(exitCode === 0 && stdout.includes('key20\tnew 20\t'));
    } finally {
      await node.stop();
    }
  });

  it('shows what a folder holds and changes nothing', async () => {
    const { node, engine } = copy();
    const untouched = state(node);
    const stat = JSON.parse(await printed('stat', node, '--json', '--live'));
    assert.equal(stat.identity.nodeId, 'node-1');
    assert.equal(stat.identity.whole, 'whole');
    assert.equal(stat.total.entries, keys);
    assert.deepEqual(stat.levels[0].smallestKey, { text: 'key1' });
    assert.ok(stat.logs.some((log: { puts: number }) => log.puts === 22));
    assert.equal(stat.live.entries, keys - 1 + 1);
    assert.ok(stat.live.bytesPerLiveByte > 0.3 && stat.live.bytesPerLiveByte < 1.5);
    const shown = await printed('stat', engine, '--tables');
    assert.match(shown, /^node +node-1 of cluster \S+, whole: its reads count$/m);
    assert.match(shown, /^log +bytes +batches +writes +end$/m);
    const report = JSON.parse(await printed('verify', node, '--json'));
    assert.deepEqual([report.isWhole, report.damages, report.isOrderChecked], [true, [], true]);
    assert.equal(report.entries, keys + 22);
    assert.match(await printed('verify', engine), /^no damage$/m);
    assert.match(await printed('repair', node), /^nothing to repair$/m);
    assert.deepEqual(state(node), untouched);
  });

  it('dumps entries with every byte of them, and single files', async () => {
    const { node } = copy();
    const untouched = state(node);
    const all = (await printed('dump', node)).trimEnd().split('\n');
    assert.equal(all.length, keys);
    assert.ok(all.includes('key7\tnew 7') && all.includes('tab\\tand "quote"\t\\x00\\xff\\n'));
    assert.ok(!all.some((line) => line.startsWith('key21\t')));
    const some = await printed('dump', node, '--keys', 'key2..key3', '--limit', '3', '--json');
    const entries = some
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      entries.map(({ key }) => key.text),
      ['key2', 'key20', 'key200'],
    );
    assert.deepEqual([entries[0].value, entries[0].type, entries[0].from], [{ text: 'new 2' }, 'entry', 1]);
    assert.match(await printed('dump', node, '--keys', 'tab\\tand..tab\\tb'), /^tab\\tand "quote"\t/);
    const { manifest, logs, levels } = JSON.parse(await printed('stat', node, '--json'));
    assert.match(
      await printed('dump', node, '--file', manifest.file),
      /snapshot, oldest log \d+, next file \d+\n {2}adds 1 /,
    );
    const log = logs.find(({ puts }: { puts: number }) => puts === 22).file;
    const batches = await printed('dump', node, '--file', log);
    assert.match(batches, /^byte 16: batch of \d+ bytes, data, synced up to 16 before$/m);
    assert.match(batches, /^ {2}key21\t\(deleted\)\t20\d\d-/m);
    const table = `${String(levels[0].list[0].id).padStart(6, '0')}.sst`;
    assert.match(
      await printed('dump', node, '--file', table, '--limit', '1'),
      /^byte 0: block 0, \d+ bytes/m,
    );
    assert.match(await printed('dump', node, '--file', 'CURRENT'), /^manifest \d+ is in force$/m);
    assert.match(await printed('dump', node, '--file', 'IDENTITY'), /"nodeId": "node-1"/);
    assert.deepEqual(state(node), untouched);
  });

  it('compacts, and a node goes on with the folder', async () => {
    const { node } = copy();
    const { before: was, after: is } = JSON.parse(await printed('compact', node, '--json'));
    assert.deepEqual([was.entries, is.entries, is.tombstones], [keys + 22, keys + 1, 1]);
    const stat = JSON.parse(await printed('stat', node, '--json'));
    assert.deepEqual(
      stat.levels.map(({ level }: { level: number }) => level),
      [6],
    );
    assert.deepEqual(JSON.parse(await printed('verify', node, '--json')).damages, []);
    assert.equal((await printed('dump', node)).trimEnd().split('\n').length, keys);
  });

  it('names all damage, says what a repair would drop, does it, and the node counts for no read', async () => {
    const { node, engine } = copy();
    const [table] = tablesOf(engine);
    flip(join(engine, table), 5000);
    const damaged = readFileSync(join(engine, table));
    const verified = await lsm('verify', node, '--json');
    assert.equal(verified.exitCode, 6, verified.stderr);
    const { damages, isWhole } = JSON.parse(verified.stdout);
    assert.deepEqual([isWhole, damages.length, damages[0].code], [false, 1, 'CORRUPTION']);
    assert.ok(damages[0].file.endsWith(table) && damages[0].offset <= 5000);
    // As a process of its own it says and returns the same.
    const alone = await runCli(['lsm', 'verify', node, '--json']);
    assert.deepEqual(
      { exitCode: alone.exitCode, stdout: String(alone.stdout), stderr: alone.stderr },
      verified,
    );
    const dumped = await lsm('dump', node);
    assert.equal(dumped.exitCode, 6);
    assert.match(dumped.stderr, /is damaged at byte \d+: .*lsm verify/);
    const file = await lsm('dump', node, '--file', table);
    assert.equal(file.exitCode, 6);
    assert.match(file.stdout, /^DAMAGE: .* does not match its checksum$/m);
    const untouched = state(node);
    const dry = await lsm('repair', node);
    assert.equal(dry.exitCode, 6);
    assert.match(dry.stdout, /^would be dropped:\n {2}\d+ bytes at byte \d+ of \d+\.sst: keys from /m);
    assert.match(dry.stderr, /nothing was changed: `lsm repair \S+ --apply` does what is listed/);
    assert.deepEqual(state(node), untouched);
    const done = JSON.parse(await printed('repair', node, '--apply', '--json'));
    assert.deepEqual([done.isApplied, done.isMarkedIncomplete, done.mayLackRecords], [true, true, true]);
    assert.deepEqual(readFileSync(join(engine, 'lost', table)), damaged);
    assert.match(await printed('verify', node), /^no damage$/m);
    assert.match(
      await printed('stat', node),
      /incomplete: its reads do not count until it is declared whole/,
    );
    const declared = await commands.run(['declare-whole', node]);
    assert.equal(declared.exitCode, 0, declared.stderr);
    assert.match(await printed('stat', node), /whole: its reads count/);
  });

  it('repairs a log and a lost manifest, and a cluster serves what was kept', async () => {
    const data = join(root, 'repaired');
    const node = join(data, 'node-1');
    cpSync(join(root, 'data'), data, { recursive: true });
    const engine = join(node, 'engine');
    const { logs, manifest } = JSON.parse(await printed('stat', node, '--json'));
    const log = logs.find(({ puts }: { puts: number }) => puts === 22).file;
    flip(join(engine, log), 40);
    rmSync(join(engine, manifest.file));
    rmSync(join(engine, 'CURRENT'));
    const shown = await lsm('stat', node);
    assert.equal(shown.exitCode, 6);
    assert.match(shown.stderr, /^quorate: \S+CURRENT is damaged at byte 0: the file is missing, though/);
    const done = await printed('repair', node, '--apply');
    assert.match(
      done,
      /^ {2}\d+ bytes at byte 16 of \d+\.log, between 0 batches before and \d+ behind, which are kept$/m,
    );
    assert.match(done, /^the node is marked as incomplete/m);
    assert.equal((await commands.run(['declare-whole', node])).exitCode, 0);
    const [port] = await freePortRow(1);
    const cluster = servedAlone(data, port);
    using client = new HttpClient();
    await cluster.start();
    try {
      // Its newest write was the damaged batch: the version before has come back, as was said.
      assert.notEqual(String((await client.get(port, 'key1')).body), 'new 1');
      assert.equal(String((await client.get(port, 'key2')).body), 'new 2');
      assert.equal((await client.get(port, 'key21')).status, 404);
      assert.equal((await client.get(port, 'key100')).status, 200);
    } finally {
      await cluster.stop();
    }
  });

  it('does not drop anything of a node whose identity it cannot mark', async () => {
    const { node, engine } = copy();
    flip(join(engine, tablesOf(engine)[0]), 5000);
    flip(join(node, 'IDENTITY'), -3);
    const { exitCode, stdout } = await lsm('verify', node, '--json');
    assert.equal(exitCode, 6);
    const files = JSON.parse(stdout).damages.map(({ file, offset }: { file: string; offset: number }) => [
      file.slice(node.length + 1),
      typeof offset,
    ]);
    assert.deepEqual(files[0], ['IDENTITY', 'number']);
    assert.equal(files.length, 2);
    const untouched = state(node);
    const refused = await lsm('repair', node, '--apply');
    assert.equal(refused.exitCode, 6);
    assert.match(
      refused.stderr,
      /nothing was changed: the repair drops something, which IDENTITY has to say, and \S+IDENTITY is damaged at byte \d+/,
    );
    assert.deepEqual(state(node), untouched);
  });

  it('says the same of a damaged and of a missing identity, whichever command meets it', async () => {
    for (const isMissing of [false, true]) {
      const { node } = copy();
      if (isMissing) rmSync(join(node, 'IDENTITY'));
      else flip(join(node, 'IDENTITY'), -3);
      const untouched = state(node);
      for (const command of [['verify'], ['repair', '--apply'], ['stat'], ['compact']]) {
        const { exitCode, stderr } = await lsm(command[0], node, ...command.slice(1));
        assert.equal(exitCode, 6, `${command}: ${stderr}`);
        assert.match(stderr, /put IDENTITY back from a copy/, String(command));
      }
      const { exitCode, stdout, stderr } = await lsm('repair', node, '--json');
      assert.equal(exitCode, 6, stderr);
      assert.match(stderr, /put IDENTITY back from a copy/);
      const { damages, steps } = JSON.parse(stdout);
      assert.deepEqual([damages.length, damages[0].file, steps], [1, join(node, 'IDENTITY'), []]);
      assert.deepEqual(state(node), untouched);
    }
  });

  it('refuses what is no stopped node, and wrong usage, in one sentence', async () => {
    const empty = join(root, 'empty');
    mkdirSync(empty);
    const foreign = join(root, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'letter.txt'), 'dear');
    const filling = join(root, 'filling');
    mkdirSync(filling);
    writeFileSync(join(filling, 'FILLING'), '');
    type Case = readonly [args: readonly string[], sentence: RegExp];
    const nowhere: Case = [[join(root, 'nowhere')], /there is no folder/];
    const cases: readonly Case[] = [
      nowhere,
      [[empty], /is empty/],
      [[foreign], /is neither a node's nor an engine's \(it holds letter\.txt\)/],
      [[join(foreign, 'letter.txt')], /is a file/],
      [
        [join(root, 'data')],
        /is that of a whole cluster: name the folder of one node, \S+node-1 for example/,
      ],
      [[filling], /a fill of the folder \S+ did not finish/],
      [[], /missing required argument/],
      [[sample, '--nonsense'], /unknown option/],
    ];
    const untouched = state(root);
    // One function finds the folder for all commands, so one of them shows all that it says, and the others that they
    // ask it; commander checks the usage of all in one way.
    for (const command of ['stat', 'dump', 'verify', 'compact', 'repair']) {
      for (const [args, sentence] of command === 'repair' ? cases : [nowhere]) {
        const { exitCode, stdout, stderr } = await lsm(command, ...args);
        assert.deepEqual([exitCode, stdout], [1, ''], `${command} ${args}`);
        assert.match(stderr, sentence);
        assert.match(stderr, /^quorate: [^\n]*\n$/);
      }
    }
    for (const [args, sentence] of [
      [['dump', sample, '--keys', 'abc'], /--keys 'abc' is wrong/],
      [['dump', sample, '--limit', 'x'], /--limit 'x' is wrong/],
      [['dump', sample, '--file', '../IDENTITY'], /is no file that can be shown/],
      [
        ['dump', join(sample, 'engine', '..', 'engine'), '--file', '000999.sst'],
        /000999\.sst is damaged at byte 0: the file is missing/,
      ],
      [['nonsense'], /unknown command/],
    ] as const) {
      const { exitCode, stderr } = await lsm(...args);
      assert.ok(exitCode === 1 || exitCode === 6, `${args}`);
      assert.match(stderr, sentence);
    }
    assert.deepEqual(state(root), untouched);
  });

  it('has a manual for each command', async () => {
    assert.match(await printed('--help'), /stat .*dump .*verify .*compact .*repair /s);
    for (const command of ['stat', 'dump', 'verify', 'compact', 'repair']) {
      const manual = await printed(command, '--help');
      assert.match(manual, /--json/);
      assert.match(manual, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}6 {2}damage was found/);
      assert.ok(manual.split('\n').every((line) => line.length <= 100));
    }
  });
});

/** A cluster of one node, as the shortest command has it. */
function servedAlone(data: string, port: number): TestNode {
  return new TestNode('node-1', port, data, [
    'serve',
    '--nodes',
    '1',
    '--data',
    data,
    '--port',
    String(port),
  ]);
}
