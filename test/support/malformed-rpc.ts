/**
 * Frames that no node sends, made from a seed, for servers that must outlive them. Each is what goes over one
 * connection, which the sender then ends. HTTP has its own in http-fuzz.ts.
 */
import type { Random } from '../../src/clock.ts';

function noise(random: Random, maxBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.floor(random() * maxBytes) + 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
  return bytes;
}

/** Frames for the port on which nodes talk to each other: a length and what should be msgpack. */
export function malformedRpc(random: Random): Buffer {
  const kind = random();
  if (kind < 0.2) return noise(random, 200);
  if (kind < 0.3) return almostHandshake(random);
  const body = kind < 0.6 ? noise(random, 120) : almostMessage(random);
  const length = Buffer.alloc(4);
  const claimed = random();
  if (claimed < 0.1) length.writeUInt32BE(0xffff_ffff);
  else if (claimed < 0.2) length.writeUInt32BE(0);
  else length.writeUInt32BE(body.length + (claimed < 0.3 ? 7 : 0));
  return Buffer.concat([length, body]);
}

/** What a dialler without the secret says in the right form: a proof, a seal and a hello, in any order. */
function almostHandshake(random: Random): Buffer {
  const frame = (...parts: (number[] | Buffer)[]): Buffer => {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return Buffer.concat([length, body]);
  };
  const bytes = (count: number): Buffer =>
    Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256)));
  const frames = [
    () => frame([0x93, 12, 0xc4, 32], bytes(32), [0xc4, 32], bytes(32)),
    () => frame([0x93, 12, 0xc4, 0, 0xc4, 32], bytes(32)),
    () => frame([0x93, 12, 0xc4, 31], bytes(31), [0xc4, 32], bytes(32)),
    () => frame([0x92, 13, 0xc4, 32], bytes(32)),
    () => frame([0x94, 11, 0xab], Buffer.from('quorate-rpc'), [1, 0xc4, 32], bytes(32)),
    () => frame([0x9e, 1, 0xab], Buffer.from('quorate-rpc'), bytes(40)),
    () => frame([0x92, 3, 0xda, 0, 2], Buffer.from('no')),
    () => frame([0x91, 8]),
  ];
  return Buffer.concat(
    Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
      frames[Math.floor(random() * frames.length)](),
    ),
  );
}

/** A short msgpack array of small numbers, strings, nulls and binaries: right in form, wrong in meaning. */
function almostMessage(random: Random): Buffer {
  const count = Math.floor(random() * 12);
  const parts = [Buffer.from([0x90 | count])];
  for (let i = 0; i < count; i++) {
    const kind = random();
    if (kind < 0.4) parts.push(Buffer.from([Math.floor(random() * 128)]));
    else if (kind < 0.6) parts.push(Buffer.from([0xa3, 0x61, 0x62, 0x63]));
    else if (kind < 0.7) parts.push(Buffer.from([0xc0]));
    else if (kind < 0.9) parts.push(Buffer.from([0xc4, 0x02, 0x01, 0x02]));
    else parts.push(Buffer.from([0xcf, 255, 255, 255, 255, 255, 255, 255, 255]));
  }
  return Buffer.concat(parts);
}
