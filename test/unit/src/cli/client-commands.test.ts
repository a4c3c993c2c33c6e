import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Packr } from 'msgpackr/pack';
import { cli } from '../../../support/process-paths.ts';
import { type CliRun, runCli } from '../../../support/run-cli.ts';
import { WarmCommands } from '../../../support/warm-commands.ts';

const everyByte = Buffer.from(Array.from({ length: 1000 }, (_, index) => index & 0xff));

/** A node that answers as the id says, and remembers what it was asked. */
const requests: { line: string; body: Buffer; headers: http.IncomingHttpHeaders }[] = [];
const server = http.createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  requests.push({
    line: `${request.method} ${request.url}`,
    body: Buffer.concat(chunks),
    headers: request.headers,
  });
  const url = new URL(request.url ?? '', 'http://node');
  if (url.pathname === '/v0/entities') {
    const packr = new Packr();
    assert.equal(request.headers.accept, 'application/x-msgpack');
    response.write(packr.pack([Buffer.from('a'), Buffer.from('1')]));
    response.end(packr.pack([Buffer.from('b\n'), everyByte.subarray(0, 2)]));
    return;
  }
  if (url.pathname === '/v0/repair' && url.searchParams.get('slots') === '7') {
    response.writeHead(202).end('{"repair": 1}');
    return;
  }
  if (url.pathname === '/v0/repair') {
    response.writeHead(202, { 'content-length': 100 });
    response.write('{', () => response.destroy());
    return;
  }
  if (url.pathname === '/v0/status') {
    const nodes = [
      { id: 'node-1', http: `127.0.0.1:${port}` },
      { id: 'node-2', http: '127.0.0.1:1' },
    ];
    // As a node answers that is about to stop.
    const repair = { id: 1, stretches: 1, stretchesLeft: 0, isDone: true, obstacles: [] };
    const status = { node: { id: 'node-1', state: 'draining' }, nodes, antiEntropy: { repair } };
    response.writeHead(503).end(JSON.stringify(status));
    return;
  }
  switch (url.searchParams.get('id')) {
    case 'bytes':
      response.end(everyByte);
      break;
    case 'empty':
      response.end();
      break;
    case 'cut':
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => response.destroy());
      break;
    case 'few':
      response.writeHead(504, 'Not Enough Replicas').end('1 of 2 replicas answered\n');
      break;
    case 'busy':
      response.writeHead(503, { 'retry-after': '1' }).end('too many requests in flight\n');
      break;
    case 'elsewhere':
      response.writeHead(404).end('there is no such path\n');
      break;
    case 'wrong':
      response.writeHead(400).end('ack is above from\n');
      break;
    case 'same':
      response.writeHead(304).end();
      break;
    case 'other':
      response.writeHead(412).end('The value is another one.\n');
      break;
    case 'explained': {
      const explanation = { method: 'GET', status: 504, reason: '1 of 2 did', questions: [], replicas: [] };
      response.writeHead(504, { 'content-type': 'application/json' }).end(JSON.stringify(explanation));
      break;
    }
    case 'same-explained': {
      const explanation = { method: 'GET', status: 304, reason: '', questions: [], replicas: [] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(explanation));
      break;
    }
    case 'half-explained':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
      response.write('{"method"', () => response.destroy());
      break;
    case 'unexplained':
      response.writeHead(200, { 'content-type': 'application/json' }).end('null');
      break;
    case 'stored':
      response.writeHead(201).end();
      break;
    case 'deleted':
      response.writeHead(202).end();
      break;
    default:
      response.writeHead(404).end();
  }
});
let port = 0;
const urlVariable = () => ({ QUORATE_URL: `http://127.0.0.1:${port}` });
let commands: WarmCommands;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  commands = new WarmCommands(undefined, null, urlVariable());
});

after(() => {
  commands[Symbol.dispose]();
  server.close();
});

/** @param input what a process of its own has on its stdin */
function run(args: readonly string[], input?: Uint8Array | string): Promise<CliRun> {
  return input === undefined
    ? commands.run(args)
    : runCli(args, { environment: urlVariable(), input, program: cli });
}

function lastBody(line: string): Buffer | undefined {
  return requests.findLast((request) => request.line === line)?.body;
}

describe('get', { concurrency: 2 }, () => {
  it('writes the bytes unchanged and nothing else', async () => {
    const { exitCode, stdout, stderr } = await run(['get', 'bytes']);
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.deepEqual(stdout, everyByte);
    const empty = await run(['get', 'empty']);
    assert.deepEqual([empty.exitCode, empty.stdout.length], [0, 0]);
  });

  it('ends as its manual says', async () => {
    const cases: [string, number, RegExp][] = [
      ['none', 2, /^quorate: the key "none" does not exist\n$/],
      ['no "ü"\n', 2, /^quorate: the key "no \\"ü\\"\\n" does not exist\n$/],
      ['elsewhere', 2, /^quorate: 404 Not Found: there is no such path\n$/],
      ['few', 3, /^quorate: 504 Not Enough Replicas: 1 of 2 replicas answered\n$/],
      ['busy', 4, /^quorate: 503 Service Unavailable: too many requests in flight\n$/],
      ['wrong', 1, /^quorate: 400 Bad Request: ack is above from\n$/],
      ['same', 8, /^quorate: 304 Not Modified\n$/],
      ['other', 8, /^quorate: 412 Precondition Failed: The value is another one\.\n$/],
      ['cut', 5, /^quorate: no whole answer from http:\/\/127/],
    ];
    for (const [id, exitCode, stderr] of cases) {
      const ended = await run(['get', id]);
      assert.equal(ended.exitCode, exitCode, id);
      assert.match(ended.stderr, stderr);
    }
  });

  it('says what to do when nothing listens', async () => {
    const { exitCode, stderr } = await run(['get', 'bytes', '--url', 'http://127.0.0.1:1']);
    assert.equal(exitCode, 5);
    assert.match(stderr, /^quorate: nothing listens at http:\/\/127.0.0.1:1: start a cluster with .*\n$/);
  });
});

describe('put and delete', { concurrency: 2 }, () => {
  it('sends what its flags say: options in the query, conditions as headers, with quotes around bare tags', async () => {
    const bare = '0015735d41c6e8-9f8e7d6c';
    const flags = ['--ttl', '10m', '--consistency', 'linearizable', '--if-match', `${bare},"x"`];
    const { exitCode, stderr } = await run(['put', 'stored', '--value', 'v', ...flags]);
    assert.deepEqual([exitCode, stderr], [0, '']);
    const put = requests.findLast(({ line }) => line.includes('ttl='));
    assert.equal(put?.line, 'PUT /v0/entity?id=stored&consistency=linearizable&ttl=10m');
    assert.equal(put?.headers['if-match'], `"${bare}", "x"`);
    assert.equal((await run(['delete', 'deleted', '--if-none-match', '*'])).exitCode, 0);
    assert.equal(requests.findLast(({ line }) => line.startsWith('DELETE'))?.headers['if-none-match'], '*');
  });

  it('explains also what failed, and ends as it would without', async () => {
    const explained = await run(['get', 'explained', '--explain', '--repair', 'async']);
    assert.equal(explained.exitCode, 3);
    assert.match(String(explained.stdout), /^GET 504 {2}1 of 2 did\n/);
    assert.equal(explained.stderr, 'quorate: 1 of 2 did\n');
    assert.ok(requests.some(({ line }) => line === 'GET /v0/entity?id=explained&repair=async&explain=1'));
    const same = await run(['get', 'same-explained', '--explain', '--if-none-match', '*']);
    assert.deepEqual([same.exitCode, same.stderr], [8, 'quorate: 304 Not Modified\n']);
    assert.match(String(same.stdout), /^GET 304\n/);
    const refused = await run(['get', 'busy', '--explain']);
    assert.deepEqual([refused.exitCode, refused.stdout.length], [4, 0]);
  });

  it('says what is wrong with an explanation that breaks off or is none, and with an ETag that is none', async () => {
    const cases: [string[], number, RegExp][] = [
      [['get', 'half-explained', '--explain'], 5, /^quorate: no whole answer from http:\/\/127[^\n]*\n$/],
      [['get', 'unexplained', '--explain'], 1, /^quorate: what answers at http:\S+ is not a Quorate node\n$/],
      [['get', 'bytes', '--if-none-match', '名'], 1, /^quorate: --if-none-match has characters[^\n]*\n$/],
      [['delete', 'deleted', '--if-match', '"a"\r\nX: y'], 1, /^quorate: --if-match has[^\n]*X: y"\n$/],
    ];
    for (const [args, exitCode, stderr] of cases) {
      const ended = await run(args);
      assert.match(ended.stderr, stderr);
      assert.equal(ended.exitCode, exitCode, args.join(' '));
    }
  });

  it('sends stdin byte for byte', async () => {
    const { exitCode, stdout, stderr } = await run(['put', 'stored', '--ack', '2', '--from', '3'], everyByte);
    assert.deepEqual([exitCode, stdout.length, stderr], [0, 0, '']);
    assert.deepEqual(lastBody('PUT /v0/entity?id=stored&ack=2&from=3'), everyByte);
  });

  it('takes an empty value from stdin for a value', async () => {
    assert.equal((await run(['put', 'stored', '--ack', '1'], '')).exitCode, 0);
    assert.equal(lastBody('PUT /v0/entity?id=stored&ack=1')?.length, 0);
  });

  it('sends an argument, under a key of any characters', async () => {
    const { exitCode } = await run(['put', '--value', 'wörld', '--', '-a&b=c d+ü']);
    assert.equal(exitCode, 2, 'this node does not know the key');
    assert.equal(String(lastBody('PUT /v0/entity?id=-a%26b%3Dc+d%2B%C3%BC')), 'wörld');
  });

  it('refuses two values, no file and a value no node takes, and sends nothing', async () => {
    const sent = requests.length;
    const both = await run(['put', 'stored', '--value', 'a', '--file', 'b']);
    assert.deepEqual(
      [both.exitCode, both.stderr],
      [1, 'quorate: either --value or --file says what to store, not both\n'],
    );
    const none = await run(['put', 'stored', '--file', '/no/such/file']);
    assert.deepEqual([none.exitCode, /cannot be read from \/no\/such\/file/.test(none.stderr)], [1, true]);
    const large = await run(['put', 'stored'], Buffer.alloc(16 * 2 ** 20 + 1));
    assert.deepEqual([large.exitCode, /longer than 16MiB/.test(large.stderr)], [1, true]);
    assert.equal(requests.slice(sent).filter(({ line }) => line.endsWith('=stored')).length, 0);
  });

  it('deletes', async () => {
    const { exitCode, stdout } = await run(['delete', 'deleted']);
    assert.deepEqual([exitCode, stdout.length], [0, 0]);
    assert.equal(lastBody('DELETE /v0/entity?id=deleted')?.length, 0);
  });
});

describe('repair', () => {
  it('hears how far it is from a node that drains, too', async () => {
    const { exitCode, stderr, stdout } = await run(['repair', '--slot', '7', '--wait']);
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.equal(String(stdout), 'Repair 1 is done: all owners hold the same.\n');
  });

  it('says so when the answer breaks off', async () => {
    const { exitCode, stderr } = await run(['repair']);
    assert.match(stderr, /^quorate: no whole answer from http:\/\/127[^\n]*\n$/);
    assert.equal(exitCode, 5);
  });
});

describe('range', { concurrency: 2 }, () => {
  it('writes a line for each entry', async () => {
    const { exitCode, stdout } = await run(['range', '--start', 'a', '--end', 'c d']);
    assert.deepEqual([exitCode, String(stdout)], [0, 'a\t1\nb\\n\t\\x00\\x01\n']);
    assert.ok(requests.some(({ line }) => line === 'GET /v0/entities?start=a&end=c+d'));
  });

  it('hands MessagePack through', async () => {
    const { stdout } = await run(['range', '--start', 'a', '--msgpack']);
    assert.deepEqual([...stdout.subarray(0, 7)], [0x92, 0xc4, 1, 0x61, 0xc4, 1, 0x31]);
  });
});

describe('status', { concurrency: 2 }, () => {
  it('has a row for every node, whether or not it answers', async () => {
    const { exitCode, stdout } = await run(['status']);
    const lines = String(stdout).trimEnd().split('\n');
    assert.equal(exitCode, 0);
    assert.equal(lines.length, 3);
    assert.match(lines[1], /^node-1 +http:\/\/\S+ +draining /);
    assert.match(
      lines[2],
      /^node-2 +http:\/\/127.0.0.1:1 +unreachable: nothing listens at http:\/\/127.0.0.1:1$/,
    );
  });

  it('tells a node from another server', async () => {
    const other = http.createServer((_request, response) => response.writeHead(404).end('<html>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
      const { exitCode, stderr } = await run(['status', '--url', url]);
      assert.deepEqual([exitCode, stderr], [1, `quorate: what answers at ${url} is not a Quorate node\n`]);
    } finally {
      other.close();
    }
  });

  it('writes everything as JSON', async () => {
    const { stdout } = await run(['status', '--json']);
    const [first, second] = JSON.parse(String(stdout));
    assert.equal(first.status.node.state, 'draining');
    assert.equal(second.error, 'nothing listens at http://127.0.0.1:1');
  });
});

describe('wrong usage', { concurrency: 2 }, () => {
  const cases: [string[], RegExp][] = [
    [['get'], /^quorate: missing required argument 'id': see `node cli.ts get --help`\n$/],
    [
      ['get', 'a', '--akc', '1'],
      /^quorate: unknown option '--akc' \(Did you mean --ack\?\): see `node cli.ts get --help`\n$/,
    ],
    [['get', ''], /^quorate: the key is empty: .*\n$/],
    [['get', 'a', '--ack', 'two'], /^quorate: --ack 'two' is wrong: expected a whole number\n$/],
    [['range'], /^quorate: required option '--start <key>' not specified: see .*\n$/],
    [
      ['lsm', 'stat'],
      /^quorate: missing required argument 'directory': see `node cli.ts lsm stat --help`\n$/,
    ],
    [['lsm', 'state'], /^quorate: unknown command 'state'.*: see `node cli.ts lsm --help`\n$/],
    [['frobnicate'], /^quorate: unknown command 'frobnicate': see `node cli.ts --help`\n$/],
  ];
  for (const [args, stderr] of cases) {
    it(`is one sentence: ${args.join(' ')}`, async () => {
      const sent = requests.length;
      const ended = await run(args);
      assert.equal(ended.exitCode, 1);
      assert.match(ended.stderr, stderr);
      assert.equal(requests.length, sent);
    });
  }

  it('shows help, and every command has its own', async () => {
    const { exitCode, stdout, stderr } = await run(['--help']);
    assert.deepEqual([exitCode, stderr], [0, '']);
    const commands = [...String(stdout).matchAll(/^ {2}([a-z-]+) {2,}[a-z]/gm)].map(([, name]) => name);
    assert.ok(commands.includes('serve') && commands.includes('declare-whole'));
    for (const command of ['get', 'put', 'delete', 'range', 'status', 'declare-whole']) {
      const help = String((await run([command, '--help'])).stdout);
      assert.match(help, /\nExamples:\n {2}node cli.ts /, command);
      assert.match(help, /\nExit codes:\n/, command);
    }
  });
});
