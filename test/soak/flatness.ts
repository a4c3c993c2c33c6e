/** Whether a figure that is measured again and again stays where it is. Pure. */

/** Least squares: by how much the values grow from the first to the last, as a straight line. */
export function growth(values: readonly number[]): number {
  const n = values.length;
  if (n < 2) return 0;
  const meanX = (n - 1) / 2;
  const meanY = values.reduce((sum, value) => sum + value, 0) / n;
  let products = 0;
  let squares = 0;
  for (const [x, value] of values.entries()) {
    products += (x - meanX) * (value - meanY);
    squares += (x - meanX) ** 2;
  }
  return (products / squares) * (n - 1);
}
