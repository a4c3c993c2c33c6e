import type { TableMetadata } from '../sstable/table-metadata.ts';
import { compareKeys } from '../version/version.ts';

/**
 * Puts tables into groups: the tables of a group overlap in a chain, those of different groups do not overlap. Groups
 * and their tables are in key order. Pure.
 */
export function overlapGroups<Table extends Pick<TableMetadata, 'smallestKey' | 'largestKey'>>(
  tables: readonly Table[],
): Table[][] {
  const groups: Table[][] = [];
  let largest: Uint8Array | undefined;
  for (const table of tables.toSorted((a, b) => compareKeys(a.smallestKey, b.smallestKey))) {
    const isApart = largest === undefined || compareKeys(table.smallestKey, largest) > 0;
    if (isApart) groups.push([table]);
    else groups[groups.length - 1].push(table);
    if (largest === undefined || compareKeys(table.largestKey, largest) > 0) largest = table.largestKey;
  }
  return groups;
}

/**
 * Puts the tables of a group into as few rows as possible. The tables of a row are disjoint and in key order, so that a
 * merge of many tables has few of them open at once.
 */
export function disjointRows<Table extends Pick<TableMetadata, 'smallestKey' | 'largestKey'>>(
  tables: readonly Table[],
): Table[][] {
  const rows: Table[][] = [];
  for (const table of tables.toSorted((a, b) => compareKeys(a.smallestKey, b.smallestKey))) {
    const row = rows.find((one) => compareKeys(one[one.length - 1].largestKey, table.smallestKey) < 0);
    if (row === undefined) rows.push([table]);
    else row.push(table);
  }
  return rows;
}
