/** The process that is killed: an engine alone, under constant writes until then. */
import { type EngineOptions, open } from '../../native-free-lsm/index.ts';
import { EngineTraffic, keyNumberOf } from '../support/engine-traffic.ts';
import { type Aim, AimedFileSystem } from './engine-kill-aim.ts';
import { JournalledLedger } from './engine-kill-journal.ts';

export interface ChildOrders {
  readonly directory: string;
  readonly journal: string;
  readonly lastCounter: number;
  readonly seed: number;
  readonly aim: Aim;
  readonly options: Partial<EngineOptions>;
}

const orders = JSON.parse(process.argv[2]) as ChildOrders;
const fs = new AimedFileSystem(orders.aim);
const engine = await open(orders.directory, orders.options, { fs });
fs.serving = true;
const ledger = new JournalledLedger(orders.journal, orders.lastCounter);
// Its parent has checked these.
for await (const { key, value } of engine.range()) ledger.adopt(keyNumberOf(key), value);
process.stdout.write('open\n');
const traffic = new EngineTraffic(engine, ledger, {
  seed: orders.seed,
  callers: 12,
  keysPerCaller: 30,
  deleteShare: 0.15,
  maxValueBytes: 1500,
  largeBatchBytes: 200 * 1024,
  readShare: 0.1,
  mayFail: ['OVERLOADED'],
});
await traffic.done;
