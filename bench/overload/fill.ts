/** Writes every key of one value size once, so that reads find them. */
import { randomBytes } from 'node:crypto';
import { keyName, putRequest } from './load.ts';
import { LoadConnection } from './load-connection.ts';

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
  const writing = new Map<LoadConnection, number>();
  const next = (connection: LoadConnection): void => {
    const index = toWrite.pop();
    if (index === undefined) return;
    writing.set(connection, index);
    connection.send(putRequest(keyName(valueBytes, index), value));
  };
  const connections = Array.from(
    { length: clients },
    () =>
      new LoadConnection(port, (connection, status) => {
        if (status === 201) {
          if (--unanswered === 0) resolve();
          next(connection);
          return;
        }
        toWrite.push(writing.get(connection) as number);
        setTimeout(() => next(connection), PATIENCE_MS);
      }),
  );
  for (const connection of connections) next(connection);
  await promise;
  for (const connection of connections) connection.close();
}
