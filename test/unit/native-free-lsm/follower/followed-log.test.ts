import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FollowedLog, LogLook } from '../../../../native-free-lsm/follower/followed-log.ts';
import { BatchKind } from '../../../../native-free-lsm/log/log-format.ts';
import { LogWriter } from '../../../../native-free-lsm/log/log-writer.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { DIRECTORY, frames, GENERATION, LOG_PATH, put } from '../log/log-support.ts';

class Followed {
  readonly fs = new MemoryFileSystem();
  readonly keys: string[] = [];
  readBytes = 0;
  readonly log: LogWriter;
  readonly #followed = new FollowedLog(this.fs, DIRECTORY, GENERATION);

  constructor() {
    this.fs.makeDirectorySync(DIRECTORY);
    this.log = LogWriter.create(this.fs, DIRECTORY, GENERATION);
    this.fs.onCall = ({ lengthBytes, operation }) => {
      if (operation === 'read') this.readBytes += lengthBytes;
    };
  }

  append(key: string): void {
    const run = frames([put(key, '1')]);
    this.log.append(run, 0, run.length);
    this.log.sync();
  }

  look(): LogLook {
    this.readBytes = 0;
    const steps = this.#followed.read((bytes, keyStart, keyEnd) => {
      this.keys.push(Buffer.from(bytes.subarray(keyStart, keyEnd)).toString());
    }, true);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  get hasRoom(): boolean {
    return this.fs.sizeSync(LOG_PATH) > this.log.lengthBytes;
  }
}

test('batches that are written into room are seen, and while none is there little is read', () => {
  const followed = new Followed();
  const { keys } = followed;
  const written: string[] = [];
  const write = (): void => {
    written.push(`key ${written.length}`);
    followed.append(written[written.length - 1]);
  };
  while (!followed.hasRoom) {
    assert.ok(written.length < 100, 'no room was made');
    write();
    followed.look();
  }
  for (let i = 0; i < 5; i++) {
    assert.equal(followed.look(), LogLook.ahead);
    assert.ok(followed.readBytes <= 32, `${followed.readBytes} bytes are read for nothing`);
    write();
    assert.equal(followed.look(), LogLook.ahead);
    assert.deepEqual(keys, written);
  }
  write();
  followed.log.finish(BatchKind.continued);
  assert.equal(followed.look(), LogLook.ahead);
  assert.deepEqual(keys, written);
});
