/** By the bytes, so that neither keeps the other's memory alive. */
const views = new WeakMap<Uint8Array, DataView>();

/**
 * A view of the same bytes at the same offsets, by which words of any alignment are read and written with one access
 * each. It is remembered with the bytes: to look it up takes a third of the time that a new one does.
 */
export function viewOf(bytes: Uint8Array): DataView {
  let view = views.get(bytes);
  if (view === undefined) {
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    views.set(bytes, view);
  }
  return view;
}
