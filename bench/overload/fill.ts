/** Writes every key of one value size once, so that reads find them. */
import { randomBytes } from 'node:crypto';
import { LoadConnection, type LoadConnectionOwner } from '../../src/cli/load/load-connection.ts';
import { systemClock } from '../../src/clock.ts';
import { keyName, putRequest } from './load.ts';

/** Few, because values may be large: this must succeed, and not overload. */
const CONNECTIONS = 64;
const BYTES_UNDER_WAY = 4 * 2 ** 20;
const PATIENCE_MS = 100;

export async function fillKeys(port: number, valueBytes: number, keys: number): Promise<void> {
  const value = randomBytes(valueBytes);
  const clients = Math.max(1, Math.min(CONNECTIONS, keys, Math.floor(BYTES_UNDER_WAY / valueBytes)));
  const { promise, resolve } = Promise.withResolvers<void>();
  const toWrite = Array.from({ length: keys }, (_, index) => index);
  let unanswered = keys;
  const next = (connection: LoadConnection): void => {
    const index = toWrite.pop();
    if (index === undefined) return;
    connection.key = index;
    connection.send(putRequest(keyName(valueBytes, index), value));
  };
  const again = (connection: LoadConnection): void => {
    toWrite.push(connection.key);
    setTimeout(() => next(connection), PATIENCE_MS);
  };
  const owner: LoadConnectionOwner = {
    onAnswer: (connection, status) => {
      if (status !== 201) again(connection);
      else if (--unanswered === 0) resolve();
      else next(connection);
    },
    onFailure: again,
  };
  const target = { host: '127.0.0.1', port };
  const connections = Array.from(
    { length: clients },
    () => new LoadConnection(0, target, systemClock, owner),
  );
  for (const connection of connections) next(connection);
  await promise;
  for (const connection of connections) connection.close();
}
