/** Puts a method of a class in another's place, and back. */
export type Undo = () => void;

/** @param make the new method, of the one that was there; it is called as that was */
export function patch<T extends object, Name extends keyof T>(
  prototype: T,
  name: Name,
  make: (original: T[Name]) => T[Name],
): Undo {
  const before = Object.getOwnPropertyDescriptor(prototype, name);
  if (before === undefined) throw new Error(`there is no ${String(name)} to plant a fault in`);
  Object.defineProperty(prototype, name, { ...before, value: make(before.value as T[Name]) });
  return () => void Object.defineProperty(prototype, name, before);
}

/** The same for what is read like a field. */
export function patchGetter<T extends object, Name extends keyof T>(
  prototype: T,
  name: Name,
  read: (this: T) => T[Name],
): Undo {
  const before = Object.getOwnPropertyDescriptor(prototype, name);
  if (before?.get === undefined) throw new Error(`there is no ${String(name)} to plant a fault in`);
  Object.defineProperty(prototype, name, { ...before, get: read });
  return () => void Object.defineProperty(prototype, name, before);
}

export function all(...undos: readonly Undo[]): Undo {
  return () => {
    for (const undo of undos) undo();
  };
}
