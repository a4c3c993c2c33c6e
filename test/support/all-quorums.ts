import assert from 'node:assert/strict';
import type { HttpClient } from './http.ts';

/** Every `ack/from` that makes sense, every node as coordinator. */
export async function checkAllQuorums(client: HttpClient, ports: readonly number[]): Promise<void> {
  const nodes = ports.length;
  for (let from = 1; from <= nodes; from++) {
    for (let ack = 1; ack <= from; ack++) {
      // A read with this many answers overlaps every write with `ack`.
      const readAck = from - ack + 1;
      for (const [i, port] of ports.entries()) {
        const id = `key ${from}/${ack}/${i}`;
        const reader = ports[(i + 1) % nodes];
        const write = await client.put(port, id, `value ${id}`, { ack, from });
        assert.equal(write.status, 201, `PUT ${id}: ${write.body}`);
        const read = await client.get(reader, id, { ack: readAck, from });
        assert.equal(read.status, 200, `GET ${id}: ${read.body}`);
        assert.equal(read.body.toString(), `value ${id}`);
        const removal = await client.delete(reader, id, { ack, from });
        assert.equal(removal.status, 202, `DELETE ${id}: ${removal.body}`);
        assert.equal((await client.get(port, id, { ack: readAck, from })).status, 404);
      }
    }
  }
}
