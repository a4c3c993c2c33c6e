/** The engine's door for programs that open it as users do: here it starts no threads, so that a test need not wait for any. */
import { Engine, type EngineOptions, type Environment } from '../../native-free-lsm/index.ts';
import { InlineExecutor } from '../../native-free-lsm/simulation/index.ts';

export * from '../../native-free-lsm/index.ts';

export function open(
  directory: string,
  options?: Partial<EngineOptions>,
  environment?: Partial<Environment>,
): Promise<Engine> {
  return Engine.open(directory, options, {
    executor: (context) => new InlineExecutor(context),
    ...environment,
  });
}
