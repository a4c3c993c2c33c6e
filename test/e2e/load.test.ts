/** `load` as its users run it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { TestCluster } from '../support/cluster.ts';
import { type CliRun, runCli } from '../support/run-cli.ts';
import { WarmCommands } from '../support/warm-commands.ts';

const directory = mkdtempSync(join(tmpdir(), 'quorate-load-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const commands = new WarmCommands();
after(() => commands[Symbol.dispose]());
const SHORT = ['--duration', '400ms', '--warmup', '100ms'];

describe('load', () => {
  test('prepares keys, asks a cluster, prints a report and writes files', async () => {
    await using cluster = await TestCluster.start({ nodes: 1 });
    const url = `http://127.0.0.1:${cluster.ports[0]}`;
    const [json, hgrm, html] = ['json', 'hgrm', 'html'].map((kind) => join(directory, `load.${kind}`));
    const what = ['--prepare', '--keys', '300', '--method', 'mixed', '--mix', 'get=8,put=1,delete=1'];
    const files = ['--json', json, '--hgrm', hgrm, '--html', html];
    const how = ['--rate', '200', '--connections', '10', '--threads', '2', '--latency'];
    const run = await runCli(['load', '--url', url, ...what, ...how, ...SHORT, ...files]);
    const text = run.stdout.toString();
    assert.match(
      text,
      /^Load of 400ms @ http:\/\/127\.0\.0\.1:\d+: 80 % get, 10 % put, 10 % delete of 300 keys/,
    );
    assert.match(text, /200 requests\/s offered, 10 connections, 2 threads/);
    assert.match(text, /\n +50\.000% /);
    assert.match(text, /Detailed percentile spectrum/);
    const file = JSON.parse(readFileSync(json, 'utf8'));
    assert.equal(file.errors, 0, text);
    assert.equal(file.requests, 80);
    assert.deepEqual(Object.keys(file.latencies).sort(), ['all', 'delete', 'get', 'put']);
    assert.match(readFileSync(hgrm, 'utf8'), /Percentile TotalCount/);
    assert.match(readFileSync(html, 'utf8'), /<h2>Latency by percentile<\/h2>/);
    // A machine that is busy with other things delays the load as well, which it must say.
    assert.equal(run.exitCode, file.isValid ? 0 : 1);
    assert.match(run.stderr, file.isValid ? /^$/ : /the load is not valid/);

    const scans = await runCli([
      'load',
      '--url',
      url,
      '--workload',
      'e',
      '--keys',
      '50',
      '--prepare',
      ...SHORT,
    ]);
    assert.match(scans.stdout.toString(), /95 % scan of 50 keys \(zipfian\), values of 1000/);
    // One in twenty inserts: of few requests, on a busy machine, none may.
    const [, scanned, inserted = '0'] =
      /statuses +200: (\d+)(?:, 201: (\d+))?/.exec(scans.stdout.toString()) ?? [];
    assert.ok(Number(inserted) > 0 || Number(scanned) < 300, scans.stdout.toString());
    assert.ok(Number(scanned) > 0, scans.stdout.toString());
  });

  test('finds the highest rate that holds', async () => {
    const windowMs = 100;
    let [windowStartMs, inWindow] = [0, 0];
    // Takes 30 requests each tenth of a second.
    const server = createServer((_request, response) => {
      const nowMs = performance.now();
      if (nowMs - windowStartMs >= windowMs) [windowStartMs, inWindow] = [nowMs, 0];
      response.writeHead(++inWindow > 30 ? 503 : 200).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const json = join(directory, 'rate.json');
    const search = ['--find-rate', '--rate', '100', '--json', json];
    const run = await runCli(['load', '--url', url, ...search, '--duration', '500ms', '--warmup', '0ms']);
    server.close();
    const { probes, ratePerSecond } = JSON.parse(readFileSync(json, 'utf8'));
    // On a machine that is busy with other things a rate may not hold that would.
    assert.ok(ratePerSecond <= 320, `${ratePerSecond}: ${run.stdout}${run.stderr}`);
    const held = probes.filter(({ holds }: { holds: boolean }) => holds);
    for (const { ratePerSecond: rate } of held) assert.ok(rate <= 320, `${rate}`);
    assert.equal(run.stdout.toString().match(/ requests\/s (tried|once more): /g)?.length, probes.length);
    if (ratePerSecond > 0) {
      assert.equal(held.at(-1).ratePerSecond, ratePerSecond);
      assert.equal(held.at(-1).isConfirming, true);
      const found = new RegExp(`Highest rate that holds: ${ratePerSecond} requests/s`);
      assert.match(run.stdout.toString(), found);
    }
  });

  test('says what is wrong before it asks anybody', async () => {
    const wrong: readonly [readonly string[], RegExp][] = [
      [['--rate', '0'], /--rate '0' is wrong: expected at least 1/],
      [['--url', 'ftp://a'], /--url 'ftp:\/\/a' is wrong: expected URLs/],
      [['--mix', 'get=1'], /--mix belongs to --method mixed/],
      [['--slo', '50ms'], /--slo belongs to --find-rate/],
      [['--workload', 'a', '--method', 'put'], /--method has no meaning with --workload/],
      [['--threads', '4', '--connections', '2'], /--threads 4 is more than --connections 2/],
      [['--overlay', 'before.json'], /--overlay belongs to --html/],
      [['--html', 'x.html', '--overlay', directory], /could not be read: EISDIR/],
      [['--html', 'x.html', '--overlay', import.meta.filename], /is no result of a load/],
      [['--workload', 'z'], /expected one of none, a, b, c, d, e, f/],
    ];
    for (const [args, sentence] of wrong) {
      const { exitCode, stderr } = await commands.run(['load', ...args]);
      assert.equal(exitCode, 1);
      assert.match(stderr, sentence);
    }
  });

  test('ends with 5 where nothing listens', async () => {
    const run = (): Promise<CliRun> => runCli(['load', '--url', 'http://127.0.0.1:1', ...SHORT]);
    let { exitCode, stderr } = await run();
    // On a busy machine so short a load may end before its first request.
    for (let tries = 1; tries < 10 && exitCode === 0; tries++) ({ exitCode, stderr } = await run());
    assert.equal(exitCode, 5);
    assert.match(stderr, /nothing listens at http:\/\/127\.0\.0\.1:1: start a cluster/);
  });
});
