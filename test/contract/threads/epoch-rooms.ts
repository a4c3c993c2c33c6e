/** Rooms in shared memory, each filled with the number of its tenant: what an epoch domain gives out again and again. */
export interface EpochThreadData {
  readonly rooms: SharedArrayBuffer;
  readonly requests: SharedArrayBuffer;
}

export const ROOMS = 24;
export const ROOM_WORDS = 512;
export const END_COMMAND = 0xffffffff;

export function fillRoom(words: Uint32Array, room: number, tenant: number): void {
  words.fill(tenant, room * ROOM_WORDS, (room + 1) * ROOM_WORDS);
}

export function checkRoom(words: Uint32Array, room: number, tenant: number): void {
  for (let i = room * ROOM_WORDS; i < (room + 1) * ROOM_WORDS; i++) {
    if (words[i] !== tenant)
      throw new Error(`room ${room} is ${words[i]}'s and was promised to be ${tenant}'s`);
  }
}
