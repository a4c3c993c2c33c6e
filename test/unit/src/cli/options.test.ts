import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import {
  addSettings,
  type EnvironmentVariables,
  environmentManual,
  isFlagGiven,
  readSettings,
} from '../../../../src/cli/options.ts';
import { defaultQuorumSettings, quorumSettings } from '../../../../src/cli/quorum-settings.ts';
import {
  clientSettings,
  clusterSettings,
  environmentName,
  memberSettings,
  nodeSettings,
  type Setting,
  type SettingsTable,
  secretSettings,
} from '../../../../src/config.ts';

function parsed<T>(table: SettingsTable<T>, args: readonly string[]): Command {
  const command = new Command('test').exitOverride().configureOutput({ writeErr: () => undefined });
  return addSettings(command, table).parse(args, { from: 'user' });
}

function read<T>(
  table: SettingsTable<T>,
  args: readonly string[],
  environment: EnvironmentVariables = {},
): T {
  return readSettings(parsed(table, args), table, environment);
}

describe('settings on the command line', () => {
  it('has every setting as a flag with its default', () => {
    const settings = read(nodeSettings, []);
    for (const [name, { defaultValue }] of Object.entries(nodeSettings) as [
      keyof typeof settings,
      Setting<unknown>,
    ][]) {
      assert.deepEqual(settings[name], defaultValue, name);
    }
  });

  it('counts flag before variable before default', () => {
    const environment = { QUORATE_MAX_VALUE_SIZE: '2MiB' };
    assert.equal(read(nodeSettings, []).maxValueBytes, 2 ** 20);
    assert.equal(read(nodeSettings, [], environment).maxValueBytes, 2 * 2 ** 20);
    assert.equal(read(nodeSettings, ['--max-value-size', '3MiB'], environment).maxValueBytes, 3 * 2 ** 20);
  });

  it('takes an empty variable for none', () => {
    assert.equal(read(clusterSettings, [], { QUORATE_NODES: '' }).nodes, 3);
  });

  it('reads a switch from its flag and from its variable', () => {
    assert.equal(read(clusterSettings, []).restart, false);
    assert.equal(read(clusterSettings, ['--restart']).restart, true);
    assert.equal(read(clusterSettings, [], { QUORATE_RESTART: '1' }).restart, true);
    assert.equal(read(clusterSettings, [], { QUORATE_RESTART: 'false' }).restart, false);
  });

  it('names the flag or the variable that is wrong, and what is right', () => {
    assert.throws(() => read(clusterSettings, ['--nodes', 'many']), {
      code: 'INVALID_CONFIG',
      message: "--nodes 'many' is wrong: expected a whole number",
    });
    assert.throws(() => read(nodeSettings, [], { QUORATE_REQUEST_TIMEOUT: '1' }), {
      message: /^QUORATE_REQUEST_TIMEOUT '1' is wrong: expected a duration with its unit/,
    });
  });

  it('reads only the settings that were asked for', () => {
    const command = addSettings(new Command('test'), clusterSettings, ['nodes', 'dataDirectory']);
    command.parse(['--data', '/tmp/x'], { from: 'user' });
    const settings = readSettings(command, clusterSettings, { QUORATE_PORT: 'wrong' }, [
      'nodes',
      'dataDirectory',
    ]);
    assert.deepEqual(settings, { nodes: 3, dataDirectory: '/tmp/x' });
  });

  it('tells a given flag from a default', () => {
    const command = parsed(clusterSettings, ['--port', '1']);
    assert.equal(isFlagGiven(command, clusterSettings.port), true);
    assert.equal(isFlagGiven(command, clusterSettings.host), false);
  });

  it('shows what a flag takes and its default in the help', () => {
    const help = addSettings(new Command('test'), nodeSettings).helpInformation().replaceAll(/\s+/g, ' ');
    assert.match(help, /--max-value-size <size> largest value that is stored \(default: 1MiB\)/);
  });

  it('has a variable for each meaning, so that one for requests changes no cluster that is started beside it', () => {
    assert.equal(read(defaultQuorumSettings, [], { QUORATE_FROM: '2' }).from, undefined);
    assert.equal(read(defaultQuorumSettings, [], { QUORATE_DEFAULT_FROM: '2' }).from, 2);
    assert.equal(read(quorumSettings, [], { QUORATE_DEFAULT_FROM: '2' }).from, undefined);
    assert.equal(read(quorumSettings, [], { QUORATE_FROM: '2' }).from, 2);
    const tables = [
      nodeSettings,
      clusterSettings,
      memberSettings,
      secretSettings,
      clientSettings,
      quorumSettings,
      defaultQuorumSettings,
    ];
    const variables = tables.flatMap((table) =>
      Object.values(table).map((setting) => environmentName(setting)),
    );
    assert.deepEqual(variables, [...new Set(variables)]);
  });

  it('names the variables in the manual', () => {
    assert.equal(
      environmentManual(quorumSettings),
      'Environment: QUORATE_ACK, QUORATE_FROM stand for their flags; a flag counts first.',
    );
    assert.equal(
      environmentManual(clientSettings),
      'Environment: QUORATE_URL stands for its flag; the flag counts first.',
    );
  });
});
