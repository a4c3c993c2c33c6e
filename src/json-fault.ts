/** What is wrong with a text that is not JSON, in one line and with the place. Pure. */

/**
 * Node quotes a part of the text, which may have several lines, and tells only some places.
 * @param error with which `JSON.parse` refuses the text
 */
export function jsonFault(text: string, error: unknown): string {
  const { message } = error as Error;
  const before = text.slice(0, placeOf(text, message)).split('\n');
  const what = message.replace(/( in JSON)? at position .*$/s, '').replace(/, (\.\.\.)?".*$/s, '');
  const column = before[before.length - 1].length + 1;
  return `${what.replace(/\s+/g, ' ')}, at line ${before.length}, column ${column}`;
}

function placeOf(text: string, message: string): number {
  const told = / at position (\d+)/.exec(message)?.[1];
  if (told !== undefined) return Number(told);
  if (!isUnexpectedToken(message)) return text.length;
  // The longest beginning that is only cut short; what comes next is unexpected.
  let [sound, faulty] = [0, text.length];
  while (faulty - sound > 1) {
    const middle = (sound + faulty) >> 1;
    if (isUnexpectedToken(messageOf(text.slice(0, middle)))) faulty = middle;
    else sound = middle;
  }
  return sound;
}

function isUnexpectedToken(message: string): boolean {
  return message.startsWith('Unexpected token');
}

function messageOf(text: string): string {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
