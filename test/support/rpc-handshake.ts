/**
 * The handshake by hand, for tests that play one end of a connection. Nonces are the same in every test, so that all
 * that one end says can be made before the other has said a word.
 */
import { Authentication, type Credentials } from '../../src/rpc/authentication.ts';
import { ClusterSecret } from '../../src/rpc/cluster-secret.ts';
import { FRAME_LENGTH_BYTES } from '../../src/rpc/codec.ts';
import type { Hello } from '../../src/rpc/handshake.ts';
import { encodeHello } from '../../src/rpc/hello.ts';
import { MessageKind } from '../../src/rpc/operations.ts';

export const TEST_SECRET = 'the secret of a cluster that tests make';

export function credentialsOf(secret: string = TEST_SECRET): Credentials {
  return { secret: ClusterSecret.of(secret), drawBytes: (count) => Buffer.alloc(count, 7) };
}

function messageOf(frame: Buffer): Buffer {
  return frame.subarray(FRAME_LENGTH_BYTES);
}

/** What a listener says first. */
export function challengeFrame(): Buffer {
  return new Authentication('listener', credentialsOf()).challenge();
}

/** All that a dialler says: its proof and its hello. */
export function greeting(hello: Hello, secret?: string): Buffer {
  const dialler = new Authentication('dialler', credentialsOf(secret));
  const proof = dialler.onChallenge(messageOf(challengeFrame()));
  return Buffer.concat([proof, dialler.sealed(encodeHello(MessageKind.hello, hello))]);
}

/** What a listener says when it has been greeted: its proof, and whatever frame it has for the dialler. */
export function answer(makeFrame: (listener: Authentication) => Buffer, secret?: string): Buffer {
  const dialler = new Authentication('dialler', credentialsOf(secret));
  const listener = new Authentication('listener', credentialsOf(secret));
  listener.onProof(messageOf(dialler.onChallenge(messageOf(listener.challenge()))));
  return Buffer.concat([listener.answer(), makeFrame(listener)]);
}

/** The same for a listener that takes the dialler. */
export function welcomeAnswer(hello: Hello, secret?: string): Buffer {
  return answer((listener) => listener.sealed(encodeHello(MessageKind.welcome, hello)), secret);
}
