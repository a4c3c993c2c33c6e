/** The Accept header, as far as it is heeded. Pure. */
const NOT_WANTED = /^q\s*=\s*0(?:\.0{0,3})?$/i;

/** Whether the header names the type, and not with a weight of 0, which says that it must not be sent. */
export function accepts(header: string, type: string): boolean {
  return header.split(',').some((range) => {
    const [name, ...parameters] = range.split(';').map((part) => part.trim());
    return name.toLowerCase() === type && !parameters.some((parameter) => NOT_WANTED.test(parameter));
  });
}
