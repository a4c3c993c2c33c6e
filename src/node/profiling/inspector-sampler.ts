import type * as v8 from 'node:v8';

/**
 * Samples the allocations of the calling thread through the protocol of the inspector, within this process and without a
 * port: Node 24 has no other way for the main thread. These calls of the protocol answer at once.
 */
export function sampleByInspector({ sampleInterval, ...others }: v8.HeapProfileOptions): { stop(): string } {
  // Loaded only here: other nodes should not pay for it.
  const { Session } = process.getBuiltinModule('node:inspector');
  const session = new Session();
  session.connect();
  const call = (method: string, parameters: object = {}): unknown => {
    let answer: unknown;
    let failure: Error | null = null;
    session.post(method, parameters, (error, result) => {
      failure = error;
      answer = result;
    });
    if (failure !== null) throw failure;
    return answer;
  };
  call('HeapProfiler.startSampling', {
    ...others,
    ...(sampleInterval && { samplingInterval: sampleInterval }),
  });
  return {
    stop() {
      const { profile } = call('HeapProfiler.stopSampling') as { readonly profile: object };
      session.disconnect();
      return JSON.stringify(profile);
    },
  };
}
