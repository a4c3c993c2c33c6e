/** The clock's timers keep no process alive; this does, until it is disposed of. */
export function holdProcess(): Disposable {
  const channel = new MessageChannel();
  channel.port1.ref();
  return { [Symbol.dispose]: () => channel.port1.close() };
}
