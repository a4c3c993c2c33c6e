export * from './errors.ts';
export * from './format/bytes.ts';
export * from './format/record.ts';
