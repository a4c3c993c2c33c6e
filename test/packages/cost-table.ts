/** What installing costs, as a table for README. Pure. */

interface Cost {
  readonly name: string;
  readonly seconds: number;
  readonly sizeBytes: number;
  readonly packages: readonly { readonly hasInstallScript: boolean }[];
  readonly nativeFiles: readonly string[];
}

export function costTable(costs: readonly Cost[]): string {
  const rows = costs.map(({ name, nativeFiles, packages, seconds, sizeBytes }) => {
    const scripts = packages.filter(({ hasInstallScript }) => hasInstallScript).length;
    const cells = [
      `\`${name}\``,
      `${(sizeBytes / 1e6).toFixed(1)} MB`,
      packages.length,
      nativeFiles.length,
      scripts,
      `${seconds.toFixed(1)} s`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| | installed | packages | native files | install scripts | `npm install`, empty cache |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
