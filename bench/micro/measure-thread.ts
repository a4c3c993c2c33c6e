/** A thread that measures one case once. Its code is optimized for that case, whatever else is measured. */
import { parentPort, workerData } from 'node:worker_threads';
import { casesOf } from './load-cases.ts';
import { measure } from './measure.ts';

export interface MeasureRequest {
  readonly file: string;
  readonly name: string;
  readonly timeMs: number;
}

const { file, name, timeMs } = workerData as MeasureRequest;
const microCase = (await casesOf(file)).find((each) => each.name === name);
if (microCase === undefined) throw new Error(`${file} has no case ${name}`);
parentPort?.postMessage(measure(microCase, timeMs));
