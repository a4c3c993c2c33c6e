import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completeOptions } from '../../../native-free-lsm/options.ts';
import { loadSettings } from '../../../src/cli/load/settings.ts';
import { quorumSettings } from '../../../src/cli/quorum-settings.ts';
import { MAX_REPLICAS } from '../../../src/cluster/placement.ts';
import {
  checkNodeSettings,
  clientSettings,
  clusterSettings,
  defaultNodeSettings,
  environmentName,
  memberSettings,
  nodeSettings,
  readersFor,
  type Setting,
} from '../../../src/config.ts';

const tables = [nodeSettings, clusterSettings, memberSettings, clientSettings, quorumSettings];
const allSettings = tables.flatMap((table) => Object.values(table) as Setting<unknown>[]);

describe('the schema of settings', () => {
  it('has a flag and a variable of its own for each', () => {
    const flags = allSettings.map(({ flag }) => flag);
    assert.equal(new Set(flags).size, flags.length);
    for (const setting of allSettings) {
      assert.match(setting.flag, /^[a-z]+(-[a-z]+)*$/);
      assert.match(environmentName(setting), /^QUORATE_[A-Z]+(_[A-Z]+)*$/);
    }
  });

  it('reads its own defaults back', () => {
    for (const { flag, defaultValue, parse, format } of allSettings) {
      if (defaultValue !== undefined) {
        assert.deepEqual(parse(format(defaultValue)), defaultValue, flag);
      }
    }
  });

  it('explains each in one line that fits a terminal', () => {
    for (const { flag, help } of allSettings) {
      assert.match(help, /^[A-Za-z][^\n]{0,70}[^.\n]$/, flag);
    }
  });

  it('takes 0 without a unit wherever it takes nothing in some unit', () => {
    const settings = [...allSettings, ...(Object.values(loadSettings) as Setting<unknown>[])];
    const taken = settings.filter(({ parse }) =>
      ['0s', '0B', '0%'].some((text) => {
        try {
          return parse(text) === 0;
        } catch {
          return false;
        }
      }),
    );
    for (const { flag, parse } of taken) assert.equal(parse('0'), 0, flag);
    const flags = taken.map(({ flag }) => flag);
    for (const flag of ['anti-entropy-interval', 'max-clock-drift', 'hedge-budget', 'warmup'])
      assert.ok(flags.includes(flag), flag);
    for (const { flag, help } of settings) if (/\b0:/.test(help)) assert.ok(flags.includes(flag), flag);
  });

  it('refuses what is out of bounds with the bounds', () => {
    assert.equal(nodeSettings.maxValueBytes.parse('16MiB'), 16 * 2 ** 20);
    assert.throws(() => nodeSettings.maxValueBytes.parse('17MiB'), {
      code: 'INVALID_CONFIG',
      message: 'expected at least 1B and at most 16MiB',
    });
    assert.throws(() => nodeSettings.requestTimeoutMs.parse('9ms'), {
      message: /at least 10ms and at most 1h/,
    });
    assert.throws(() => clusterSettings.port.parse('70000'), { message: /at most 65535/ });
    assert.throws(() => clusterSettings.nodes.parse('2.5'), { message: 'expected a whole number' });
    assert.equal(quorumSettings.from.parse(`${MAX_REPLICAS}`), MAX_REPLICAS);
    assert.throws(() => quorumSettings.from.parse(`${MAX_REPLICAS + 1}`), {
      message: `expected at least 1 and at most ${MAX_REPLICAS}`,
    });
  });

  it('takes only the choices there are', () => {
    assert.equal(nodeSettings.durability.parse('interval'), 'interval');
    assert.throws(() => nodeSettings.durability.parse('Sync'), {
      message: 'expected one of sync, interval, none',
    });
  });

  it('reads a share in per cent', () => {
    const { hedgeBudget } = nodeSettings;
    assert.equal(hedgeBudget.parse('5%'), 0.05);
    assert.equal(hedgeBudget.parse(' 0.25% '), 0.0025);
    assert.equal(hedgeBudget.parse('100%'), 1);
    assert.equal(hedgeBudget.format(hedgeBudget.parse('7%')), '7%');
    assert.equal(hedgeBudget.format(hedgeBudget.parse('0.25%')), '0.25%');
    for (const text of ['5', '0.05', '101%', '-1%', '%', '1e1%', '0.0001%', ''])
      assert.throws(() => hedgeBudget.parse(text), { message: 'expected a share from 0% to 100%' }, text);
  });

  it('lets the cores decide about readers unless told', () => {
    assert.equal(nodeSettings.readers.parse('auto'), 0);
    assert.equal(nodeSettings.readers.parse('3'), 3);
    assert.throws(() => nodeSettings.readers.parse('0'), { code: 'INVALID_CONFIG' });
    const auto = defaultNodeSettings();
    assert.equal(readersFor(auto, 2, 3), 1);
    assert.equal(readersFor(auto, 16, 1), 15);
    assert.equal(readersFor(auto, 16, 3), 4);
    assert.equal(readersFor({ ...auto, readers: 7 }, 16, 3), 7);
  });

  it('lets no more readers be asked for, and asks for no more on a machine of many cores, than an engine can have', () => {
    const most = readersFor(defaultNodeSettings(), 192, 1);
    assert.equal(completeOptions({ readers: most }).readers, most);
    assert.throws(() => completeOptions({ readers: most + 1 }), { code: 'INVALID_ARGUMENT' });
    assert.equal(nodeSettings.readers.parse(String(most)), most);
    assert.throws(() => nodeSettings.readers.parse(String(most + 1)), { code: 'INVALID_CONFIG' });
  });

  it('has no rate of repair unless told', () => {
    const { repairBytesPerSecond } = nodeSettings;
    assert.deepEqual([repairBytesPerSecond.defaultValue, repairBytesPerSecond.parse(' auto ')], [0, 0]);
    assert.equal(repairBytesPerSecond.parse('1MiB'), 2 ** 20);
    assert.equal(repairBytesPerSecond.format(2 ** 20), '1MiB');
    for (const text of ['0', '1KiB', 'off'])
      assert.throws(() => repairBytesPerSecond.parse(text), { code: 'INVALID_CONFIG' }, text);
  });

  it('reads switches as people write them', () => {
    for (const [text, value] of [
      ['1', true],
      ['TRUE', true],
      ['no', false],
      ['0', false],
    ] as const) {
      assert.equal(clusterSettings.restart.parse(text), value);
    }
    assert.throws(() => clusterSettings.restart.parse('maybe'), { message: 'expected true or false' });
  });

  it('wants the URL of a node, not of a page', () => {
    assert.equal(clientSettings.url.parse('http://127.0.0.1:19234/'), 'http://127.0.0.1:19234');
    for (const text of ['127.0.0.1:19234', 'https://127.0.0.1', 'http://x/v0/status', 'http://x/?a=1', '']) {
      assert.throws(() => clientSettings.url.parse(text), { message: /such as http:\/\/127/ }, text);
    }
  });

  it('finds faults between settings', () => {
    const settings = defaultNodeSettings();
    checkNodeSettings(settings);
    assert.throws(() => checkNodeSettings({ ...settings, maxBytesInFlight: 2 ** 19 }), {
      code: 'INVALID_CONFIG',
      message: /--max-bytes-in-flight must be at least --max-value-size \(1MiB\)/,
    });
    assert.throws(() => checkNodeSettings({ ...settings, memtableBytes: 2 ** 20 }), {
      message: /--memtable-size must be at least twice/,
    });
    checkNodeSettings({ ...settings, hedgeMinDelayMs: 7, hedgeMaxDelayMs: 7 });
    assert.throws(() => checkNodeSettings({ ...settings, hedgeMinDelayMs: 8, hedgeMaxDelayMs: 7 }), {
      message: '--hedge-max-delay must be at least --hedge-min-delay (8ms)',
    });
    assert.throws(() => checkNodeSettings({ ...settings, fanOut: 'multicast', peerProtocol: 'http' }), {
      message: /--fan-out multicast .* does not go with --peer-protocol http/,
    });
  });
});
