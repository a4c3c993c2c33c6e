/**
 * How both ends of an HTTP connection between nodes prove that they are the ends of one RPC session: by its key, which
 * is never sent. A connection has a number that the session gives out once, so a proof that was overheard opens no
 * second one.
 */
import { PROOF_BYTES, ProofOf, type SessionKey } from '../rpc/cluster-secret.ts';

const SCHEME = 'Quorate';
const HEX = `[0-9a-f]{${2 * PROOF_BYTES}}`;
const AUTHORIZATION = new RegExp(`^${SCHEME} (${HEX}) ([1-9]\\d{0,14}) (${HEX})$`);
const INFO = new RegExp(`^${SCHEME} (${HEX})$`);

/** What a connection claims to be. */
interface ConnectionClaim {
  readonly sessionName: string;
  readonly number: number;
  readonly proof: Buffer;
}

/** Names the session and proves nothing. */
export function sessionName(key: SessionKey): string {
  return key.prove(ProofOf.httpSession).toString('hex');
}

/** What the connecting end sends as Authorization. */
export function authorizationOf(key: SessionKey, number: number): string {
  const proof = key.prove(ProofOf.httpClient, bytesOf(number));
  return `${SCHEME} ${sessionName(key)} ${number} ${proof.toString('hex')}`;
}

/** Null: it is no claim at all. */
export function claimOf(authorization: string | undefined): ConnectionClaim | null {
  const [, name, number, proof] = AUTHORIZATION.exec(authorization ?? '') ?? [];
  if (proof === undefined) return null;
  return { sessionName: name, number: Number(number), proof: Buffer.from(proof, 'hex') };
}

export function isClaimProved(key: SessionKey, { number, proof }: ConnectionClaim): boolean {
  return key.isProved(ProofOf.httpClient, proof, bytesOf(number));
}

/** What the accepting end answers as Authentication-Info. */
export function infoOf(key: SessionKey, number: number): string {
  return `${SCHEME} ${key.prove(ProofOf.httpServer, bytesOf(number)).toString('hex')}`;
}

export function isInfoProved(key: SessionKey, number: number, info: string): boolean {
  const proof = INFO.exec(info)?.[1];
  return proof !== undefined && key.isProved(ProofOf.httpServer, Buffer.from(proof, 'hex'), bytesOf(number));
}

function bytesOf(number: number): Uint8Array {
  return Buffer.from(String(number));
}
