/** Keeps the process alive until it is disposed of; the clock's timers do not. */
export function holdProcess(): Disposable {
  const channel = new MessageChannel();
  channel.port1.ref();
  return { [Symbol.dispose]: () => channel.port1.close() };
}
