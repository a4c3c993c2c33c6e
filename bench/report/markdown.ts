/** Pieces of Markdown. Pure. */

/**
 * @param rows as many cells as there are titles
 * @param texts how many of the columns, from the first, are text; the others are numbers
 */
export function table(titles: readonly string[], rows: readonly (readonly string[])[], texts = 1): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  const rule = titles.map((_, column) => (column < texts ? '---' : '---:'));
  return [line(titles), line(rule), ...rows.map(line)].join('\n');
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

export function fence(lines: readonly string[], language = 'sh'): string {
  return [`\`\`\`${language}`, ...lines, '```'].join('\n');
}

export function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}
