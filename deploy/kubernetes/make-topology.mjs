/**
 * Writes the topology of a StatefulSet, as the pod that it runs in needs it: a node for each ordinal, under the name that
 * the headless service gives it, and this pod itself on all addresses, because a pod has no other name for its own.
 *
 *     node make-topology.mjs FILE
 *
 * POD_NAME is the name of the pod, NODES how many pods the set has, and SERVICE the name of the headless service.
 */
import { writeFileSync } from 'node:fs';

const HTTP_PORT = 19234;
const RPC_PORT = 19334;

const { NODES, POD_NAME, SERVICE } = process.env;
const [, set] = /^(.+)-\d+$/.exec(POD_NAME ?? '') ?? [];
const count = Number(NODES);
if (set === undefined || !SERVICE || !Number.isInteger(count) || count < 1) {
  throw new Error('POD_NAME must be that of a pod of a StatefulSet, NODES how many it has, SERVICE its headless service');
}

const nodes = Array.from({ length: count }, (_, ordinal) => {
  const id = `${set}-${ordinal}`;
  const host = id === POD_NAME ? '0.0.0.0' : `${id}.${SERVICE}`;
  return { id, http: `${host}:${HTTP_PORT}`, rpc: `${host}:${RPC_PORT}` };
});
writeFileSync(process.argv[2], `${JSON.stringify({ cluster: set, nodes, from: Math.min(count, 3) }, null, 2)}\n`);
