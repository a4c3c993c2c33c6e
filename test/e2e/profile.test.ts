/** `profile` as its users run it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { CpuProfile, HeapProfile, ProfileSummary } from '../../src/cli/profile/profile-folder.ts';
import { TestCluster } from '../support/cluster.ts';
import { FakeProfiledNode, nodeThread } from '../support/fake-profiled-node.ts';
import { program } from '../support/process-paths.ts';
import { quietEnvironment, runCli } from '../support/run-cli.ts';
import { until, untilPrinted } from '../support/until.ts';
import { WarmCommands } from '../support/warm-commands.ts';

const directory = mkdtempSync(join(tmpdir(), 'quorate-profile-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const commands = new WarmCommands();
after(() => commands[Symbol.dispose]());
const SHORT = ['--duration', '500ms', '--warmup', '100ms', '--keys', '200'];
const ROLES = ['main', 'reader-1', 'writer'];

describe('profile', { timeout: 120_000 }, () => {
  test('starts a cluster, loads it, and writes what each thread did by its role', async () => {
    const out = join(directory, 'own');
    const what = ['--method', 'mixed', '--mix', 'get=1,put=1'];
    const often = ['--sampling-interval', '1ms'];
    const run = await runCli(['profile', '--nodes', '1', '--out', out, ...what, ...often, ...SHORT]);
    const summary = JSON.parse(readFileSync(join(out, 'profile.json'), 'utf8')) as ProfileSummary;
    // A machine that is busy with other things delays the load, which it must say.
    assert.equal(run.exitCode, summary.isValid ? 0 : 1, run.stderr);
    const text = run.stdout.toString();
    assert.match(text, /Load of 500ms @ .*: 50 % get, 50 % put of 200 keys/);
    assert.match(text, /writer +disk › log › fdatasync \(group commit\) +\d+ ms +\d+ ×/);
    assert.match(text, /without +\d+, \d+ +\d+\.\d\n +cpu +\d+ +\d+\.\d +[+-]\d+ %\n +heap .*\n +waits /);
    assert.match(run.stderr, /run 5 of 5: without a profile/);

    for (const file of summary.files) assert.ok(existsSync(join(out, file)), file);
    for (const role of ROLES) {
      const cpu = JSON.parse(readFileSync(join(out, 'node-1', `${role}.cpuprofile`), 'utf8')) as CpuProfile;
      assert.equal(cpu.samples.length, cpu.timeDeltas.length);
      assert.ok(cpu.samples.length > 50, `${role} has ${cpu.samples.length} samples`);
      const heap = JSON.parse(
        readFileSync(join(out, 'node-1', `${role}.heapprofile`), 'utf8'),
      ) as HeapProfile;
      assert.ok(heap.head.children.length > 0 || heap.samples.length === 0);
    }
    assert.deepEqual(
      summary.runs.map(({ kind }) => kind),
      [null, 'cpu', 'heap', 'waits', null],
    );
    assert.deepEqual(
      summary.overhead.map(({ kind }) => kind),
      ['cpu', 'heap', 'waits'],
    );
    for (const { ratio } of summary.overhead) assert.ok(ratio > 0);
    const [node] = summary.nodes;
    assert.ok(node.userMicrosPerRequest > 0 && node.systemMicrosPerRequest > 0);
    assert.ok(node.allocatedBytesPerRequest > 0 && node.voluntarySwitches > 0);
    if (process.platform === 'linux') assert.ok((node.osThreads ?? 0) >= ROLES.length);
    for (const role of ROLES) assert.ok(node.threads.some(({ name }) => name === role));
    assert.equal(summary.nodeSettings?.durability, 'sync');
    assert.equal(summary.nodeSettings?.['allow-profiling'], 'true');

    const again = await commands.run(['profile', '--out', out, ...SHORT]);
    assert.equal(again.exitCode, 1);
    assert.match(again.stderr, /is not empty: name a new folder with --out/);
  });

  test('profiles nodes that run and allow it, and says what to do about those that do not', async () => {
    const environment = (id: string) => (id === 'node-1' ? {} : { QUORATE_ALLOW_PROFILING: 'true' });
    await using cluster = await TestCluster.start({ nodes: 2, environment });
    const [without, allowed] = cluster.ports.map((port) => `http://127.0.0.1:${port}`);
    const out = join(directory, 'running');
    for (const [url, exitCode, sentence] of [
      [without, 1, /is not to be profiled: start it with --allow-profiling/],
      [`${allowed},${without}`, 1, /is not to be profiled: start it with --allow-profiling/],
      ['http://127.0.0.1:9', 5, /nothing listens at http:\/\/127\.0\.0\.1:9/],
    ] as const) {
      const run = await commands.run(['profile', '--url', url, '--out', out, ...SHORT, '--warmup', '0ms']);
      assert.equal(run.exitCode, exitCode, run.stderr);
      assert.match(run.stderr, sentence);
      assert.equal(existsSync(out), false);
    }

    // The refusal has left no profile under way on the node that allows it.
    const run = await runCli(['profile', '--url', allowed, '--out', out, '--kinds', 'waits', ...SHORT]);
    const summary = JSON.parse(readFileSync(join(out, 'profile.json'), 'utf8')) as ProfileSummary;
    assert.equal(run.exitCode, summary.isValid ? 0 : 1, run.stderr);
    assert.equal(summary.nodeSettings, null);
    assert.deepEqual(summary.kinds, ['waits']);
    const [node] = summary.nodes;
    assert.equal(node.name, 'node-2');
    assert.ok(node.waits?.some(({ thread }) => thread === 'writer'));

    // A node that is told to stop does not wait for a profile, and ends well though its threads are being sampled.
    const long = await fetch(`${allowed}/v0/profile?durationMs=600000`, { method: 'POST' });
    assert.equal(long.status, 200);
    const [, profiled] = cluster.nodes;
    await Promise.all([assert.rejects(long.text()), profiled.stop()]);
    await untilPrinted(profiled, /All is synced and closed/);
  });

  test('a load of an odd length is profiled, and what is no profile of a node is written nowhere', async () => {
    const place = mkdtempSync(join(directory, 'fake-'));
    const out = join(place, 'deep', 'out');
    const flags = [
      '--method',
      'get',
      '--kinds',
      'cpu',
      '--duration',
      '101ms',
      '--warmup',
      '0ms',
      '--keys',
      '9',
    ];
    const profileOf = (...urls: string[]) =>
      commands.run(['profile', '--url', urls.join(','), '--out', out, ...flags]);
    for (const [node, sentence] of [
      [
        { node: '../../x' },
        /127\.0\.0\.1:\d+ has sent is not the profile of a node: node is not the id of a node/,
      ],
      [{ threads: [nodeThread('../../x')] }, /: threads\[0\]\.name is not the name of a thread/],
      [{ threads: undefined }, /: threads is not a list/],
    ] as const) {
      await using fake = await FakeProfiledNode.start(node);
      const { exitCode, stderr } = await profileOf(fake.url);
      assert.equal(exitCode, 1, stderr);
      assert.match(stderr, sentence);
      assert.deepEqual(readdirSync(place, { recursive: true }), ['deep']);
    }
    await using fake = await FakeProfiledNode.start({});
    await using twin = await FakeProfiledNode.start({});
    const both = await profileOf(fake.url, twin.url);
    assert.equal(both.exitCode, 1);
    assert.match(both.stderr, /are both node-1: profile the nodes of one cluster at a time/);
    assert.deepEqual(readdirSync(place, { recursive: true }), ['deep']);

    const run = await profileOf(fake.url);
    const summary = JSON.parse(readFileSync(join(out, 'profile.json'), 'utf8')) as ProfileSummary;
    assert.equal(run.exitCode, summary.isValid ? 0 : 1, run.stderr);
    assert.deepEqual(summary.files, ['node-1/main.cpuprofile', 'cpu.html']);
    assert.deepEqual(fake.faults.concat(twin.faults), []);
  });

  const refused = [
    [[], /name a new folder for the profile with --out/],
    [['--url', 'http://10.1.2.3:80'], /10\.1\.2\.3:80 is not on this machine.*http:\/\/127\.0\.0\.1:80/],
    [['--url', 'http://127.0.0.1:9', '--nodes', '2'], /--nodes has no meaning with --url/],
    [['--url', 'http://127.0.0.1:9', '--durability', 'none'], /--durability has no meaning with --url/],
    [['--kinds', 'cpu,locks'], /expected some of cpu, heap, waits, each once/],
    [['--workload', 'a', '--method', 'put'], /--method has no meaning with --workload/],
    [['--duration', '10m'], /--duration 10m is too long.*a node can be profiled for 585s at most/],
  ] as const;
  test('refuses what contradicts itself before it starts anything', async () => {
    const runs = refused.map(async ([flags, sentence]) => {
      const out = flags.length === 0 ? [] : ['--out', join(directory, 'refused')];
      const { exitCode, stderr } = await commands.run(['profile', ...flags, ...out]);
      assert.equal(exitCode, 1);
      assert.match(stderr, sentence);
    });
    await Promise.all(runs);
    assert.equal(existsSync(join(directory, 'refused')), false);
  });

  test('Ctrl-C ends the cluster and takes away what was temporary', async () => {
    const temporary = mkdtempSync(join(directory, 'tmp-'));
    const out = join(directory, 'interrupted');
    const args = ['profile', '--nodes', '1', '--method', 'put', '--duration', '1m', '--out', out];
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...quietEnvironment(), TMPDIR: temporary },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await until(
      () => stderr.includes('run 1 of 5'),
      60_000,
      () => stderr,
    );
    assert.equal(readdirSync(temporary).length, 1);
    child.kill('SIGINT');
    assert.equal(await ended, 130, stderr);
    assert.deepEqual(readdirSync(temporary), []);
    assert.equal(existsSync(out), false);
  });
});
