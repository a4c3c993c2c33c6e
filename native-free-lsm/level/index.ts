/**
 * The engine behind the interface of `abstract-level`, for what is written to that: `native-free-lsm/level`. It needs
 * the package abstract-level beside this one.
 */
import '../supported-runtime.ts';

export { NativeFreeLevel, type NativeFreeLevelOptions } from './native-free-level.ts';
