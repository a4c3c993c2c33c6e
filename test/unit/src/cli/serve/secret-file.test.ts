import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createExclusively } from '../../../../../src/cli/data/exclusive-file.ts';
import { openSecretFile, readSecretFile } from '../../../../../src/cli/serve/secret-file.ts';

const MAKER = fileURLToPath(new URL('../../../../support/secret-maker-process.ts', import.meta.url));
let folder = '';

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-secret-'));
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

function written(text: string, mode = 0o600): string {
  const file = path.join(folder, 'some.secret');
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
  return file;
}

function refusal(file: string): string {
  try {
    readSecretFile(file);
  } catch (error) {
    assert.equal((error as { code: string }).code, 'INVALID_CONFIG');
    return (error as Error).message;
  }
  throw new assert.AssertionError({ message: 'it was taken' });
}

describe('the secret of a data folder', () => {
  it('is made once, of 32 random bytes, for this user alone', () => {
    const file = openSecretFile(folder);
    const text = readSecretFile(file);
    assert.match(text, /^[0-9a-f]{64}\n$/);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.equal(openSecretFile(folder), file);
    assert.equal(readSecretFile(file), text);
    assert.deepEqual(fs.readdirSync(folder), ['cluster.secret']);
  });

  it('is the same for processes that come at the same moment', async () => {
    const makers = Array.from({ length: 4 }, () => fork(MAKER, [folder], { execArgv: [] }));
    await Promise.all(makers.map((maker) => once(maker, 'message')));
    for (const maker of makers) maker.send('go');
    const told = await Promise.all(makers.map((maker) => once(maker, 'message')));
    const secrets = new Set(told.map(([secret]) => String(secret)));
    assert.equal(secrets.size, 1);
    assert.match([...secrets][0], /^[0-9a-f]{64}\n$/);
    assert.deepEqual(fs.readdirSync(folder), ['cluster.secret']);
  });

  it('says what to do where it cannot be made', () => {
    assert.throws(() => openSecretFile(path.join(folder, 'missing')), {
      code: 'STORAGE',
      message: /cannot be kept in .*missing.* another file with --cluster-secret-file/,
    });
  });
});

describe('a file that is made exclusively', () => {
  it('is not written over', () => {
    const file = path.join(folder, 'file');
    assert.equal(createExclusively(file, 'first'), true);
    assert.equal(createExclusively(file, 'second'), false);
    assert.equal(fs.readFileSync(file, 'utf8'), 'first');
    assert.deepEqual(fs.readdirSync(folder), ['file']);
  });
});

describe('a secret file', () => {
  it('is refused when it holds no secret', () => {
    assert.match(refusal(written('')), /some\.secret cannot be used: the cluster secret is empty: .*openssl/);
    assert.match(refusal(written(' \n')), /is empty/);
    assert.match(refusal(written(`${'x'.repeat(31)}\n`)), /has 31 characters: it must have 32 to 1024/);
    assert.match(refusal(written('x'.repeat(1025))), /has 1025 characters/);
    assert.match(refusal(written('x'.repeat(5000))), /not a small file/);
    assert.match(refusal(path.join(folder, 'missing')), /there is no such file: give this node the same one/);
    assert.match(refusal(folder), /cannot be used: (it is not a small file|it cannot be read)/);
  });

  it('is refused when others can read or change it', () => {
    if (process.platform === 'win32') return;
    const secret = 'x'.repeat(32);
    for (const mode of [0o604, 0o602, 0o644, 0o660, 0o666]) {
      assert.match(refusal(written(secret, mode)), /other users can read it.*chmod 600 .*some\.secret/);
    }
    // Of a group only where root owns it for somebody else: the tests may run as root themselves.
    assert.match(refusal(written(secret, 0o640)), /other users can read it/);
    for (const mode of [0o600, 0o400]) assert.equal(readSecretFile(written(secret, mode)), secret);
  });
});
