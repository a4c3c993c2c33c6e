/**
 * For the tests of programs that use the engine: a file system in memory that loses, tears and fails what it is told
 * to, and an executor that runs the engine's threads in turns of a clock. With both, and a clock of the test's own, an
 * engine does the same from the same seed.
 */
import '../supported-runtime.ts';

export { InlineExecutor } from './inline-executor.ts';
export {
  type CallHook,
  type FileSystemCall,
  type FileSystemOperation,
  fileSystemError,
  type PartialCall,
  SimulatedCrash,
} from './memory-calls.ts';
export { SECTOR_BYTES, type Survival } from './memory-file.ts';
export {
  MemoryFileSystem,
  type MemoryFileSystemOptions,
  type PowerLossOptions,
} from './memory-fs.ts';
