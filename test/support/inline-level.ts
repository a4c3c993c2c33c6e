/** The same for programs that use the engine behind abstract-level: see inline-door.ts. */
import { NativeFreeLevel as Level, type NativeFreeLevelOptions } from '../../native-free-lsm/level/index.ts';
import { InlineExecutor } from '../../native-free-lsm/simulation/index.ts';

export class NativeFreeLevel<K = string, V = string> extends Level<K, V> {
  constructor(location: string, options: NativeFreeLevelOptions<K, V> = {}) {
    super(location, { ...options, environment: { executor: (context) => new InlineExecutor(context) } });
  }
}
