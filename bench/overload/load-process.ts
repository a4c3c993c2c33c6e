/** One load in a process of its own, so that neither the benchmark nor another load delays it. */
import { FreshConnections } from './fresh-connections.ts';
import type { LoadMessage, LoadReport } from './load.ts';
import { LoadGenerator } from './load-generator.ts';

process.once('message', async (message: LoadMessage) => {
  const report: LoadReport =
    message.type === 'load'
      ? { type: 'load', result: await new LoadGenerator(message.load).run() }
      : { type: 'fresh', result: await new FreshConnections(message.load).run() };
  process.send?.(report, () => process.disconnect?.());
});
