import type { Address } from '../address.ts';
import type { DoorFactory } from '../admission/door.ts';
import type { NodeSettings } from '../config.ts';
import { MAX_CLIENT_KEY_BYTES } from '../services.ts';
import { ENTRY_ENCODER_MODULES } from './entry-encoding.ts';
import { HttpServer } from './server.ts';

/** HTTP as a node's door, at an address and with the node's settings. */
export function httpDoor({ host, port }: Address, settings: NodeSettings): DoorFactory {
  const options = { ...settings, host, port, maxKeyBytes: MAX_CLIENT_KEY_BYTES };
  return { entryEncoders: ENTRY_ENCODER_MODULES, create: (context) => new HttpServer(context, options) };
}
