import { Packr } from 'msgpackr/pack';
import { corruption } from '../errors.ts';
import { unpackable } from '../format/message-pack.ts';
import { isLastKey, LAST_KEY, type TableMetadata } from './table-metadata.ts';

/** The program that wrote a table: for people, and for working around a faulty one. */
export const CREATOR = 'native-free-lsm 0.1.0';

/** What a table says of itself. It is the metadata that the manifest has too, except for its number, place and size. */
export type TableProperties = Omit<TableMetadata, 'id' | 'level' | 'fileSizeBytes'>;

/** Plain maps of plain types, so that any MessagePack reader understands them. */
const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });

const NUMBERS = [
  'entries',
  'tombstones',
  'rawSizeBytes',
  'smallestTimestamp',
  'largestTimestamp',
  'smallestExpiryMs',
] as const;

const KEYS = ['smallestKey', 'largestKey'] as const;

/** A MessagePack map; a reader skips names it does not know. */
export function encodeProperties(properties: TableProperties): Uint8Array {
  const map: Record<string, unknown> = { creator: CREATOR };
  for (const name of NUMBERS) map[name] = properties[name];
  for (const name of KEYS) map[name] = Buffer.from(properties[name]);
  if (properties.rangeTombstones !== undefined) {
    map.rangeTombstones = properties.rangeTombstones;
    if (isLastKey(properties.largestKey)) map.largestKey = null;
  }
  const packed = packr.pack(map);
  // Whatever is called with a table's bytes is called with none but Uint8Arrays.
  return new Uint8Array(packed.buffer, packed.byteOffset, packed.length);
}

/** @throws LsmError CORRUPTION when a property is missing or cannot be */
export function decodeProperties(bytes: Uint8Array, file: string, fileOffset: number): TableProperties {
  let map: Record<string, unknown>;
  try {
    map = packr.unpack(unpackable(bytes));
  } catch (error) {
    throw corruption(file, fileOffset, `its properties cannot be read (${(error as Error).message})`);
  }
  const fault = propertiesFault(map);
  if (fault !== undefined) throw corruption(file, fileOffset, fault);
  const found = map as unknown as TableProperties;
  const largestKey = map.largestKey === null ? LAST_KEY : found.largestKey;
  // Copies, in memory of their own.
  return {
    entries: found.entries,
    tombstones: found.tombstones,
    rawSizeBytes: found.rawSizeBytes,
    smallestKey: new Uint8Array(found.smallestKey),
    largestKey: new Uint8Array(largestKey),
    smallestTimestamp: found.smallestTimestamp,
    largestTimestamp: found.largestTimestamp,
    smallestExpiryMs: found.smallestExpiryMs,
    ...(found.rangeTombstones !== undefined && { rangeTombstones: found.rangeTombstones }),
  };
}

function propertiesFault(map: unknown): string | undefined {
  if (typeof map !== 'object' || map === null) return 'its properties are not a map';
  const found = map as Record<string, unknown>;
  for (const name of NUMBERS) {
    const value = found[name];
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      return `its property ${name} is not a whole number`;
    }
  }
  for (const name of KEYS) {
    const isUnbounded = name === 'largestKey' && found[name] === null && found.rangeTombstones !== undefined;
    if (!isUnbounded && !(found[name] instanceof Uint8Array)) return `its property ${name} is not a key`;
  }
  const { rangeTombstones } = found;
  if (
    rangeTombstones !== undefined &&
    !(Number.isSafeInteger(rangeTombstones) && Number(rangeTombstones) > 0)
  )
    return 'its property rangeTombstones is not a number of them';
  return undefined;
}

/** The first property in which `properties` and `metadata` differ, or undefined. */
export function differingProperty(
  properties: TableProperties,
  metadata: TableProperties,
): string | undefined {
  for (const name of NUMBERS) if (properties[name] !== metadata[name]) return name;
  if (properties.rangeTombstones !== metadata.rangeTombstones) return 'rangeTombstones';
  for (const name of KEYS) if (Buffer.compare(properties[name], metadata[name]) !== 0) return name;
  return undefined;
}
