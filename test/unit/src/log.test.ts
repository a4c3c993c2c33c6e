import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLog, LOG_LEVELS } from '../../../src/log.ts';

function logged(level: (typeof LOG_LEVELS)[number], node?: string): Record<string, unknown>[] {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLog(node === undefined ? { level, destination } : { level, destination, node });
  log.info('told', { peer: 'n2' });
  log.warn('warned');
  log.error('failed', { bytes: 7 });
  return lines.map((line) => {
    assert.ok(line.endsWith('\n'));
    return JSON.parse(line);
  });
}

describe('log', () => {
  it('writes a JSON line a message, with its level, fields and node', () => {
    const [told, warned, failed] = logged('info', 'n1');
    assert.equal(told.msg, 'told');
    assert.equal(told.level, 'info');
    assert.equal(told.peer, 'n2');
    assert.equal(told.node, 'n1');
    assert.equal(typeof told.time, 'number');
    assert.equal(warned.level, 'warn');
    assert.equal(failed.bytes, 7);
  });

  it('leaves out what is below its level', () => {
    assert.deepEqual(
      LOG_LEVELS.map((level) => logged(level).length),
      [3, 2, 1, 0],
    );
  });

  it('names no node unless told', () => {
    assert.equal('node' in logged('info')[0], false);
  });
});
