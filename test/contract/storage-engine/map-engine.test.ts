import { MapEngine, type MapRecords } from '../../../bench/cluster/map-engine.ts';
import { storageEngineContract } from './contract.ts';

const stores = new Map<string, MapRecords>();

storageEngineContract('Map', async (directory) => {
  const records: MapRecords = stores.get(directory) ?? new Map();
  stores.set(directory, records);
  return new MapEngine(records);
});
