/**
 * The handshake by hand, for tests that play one side of a connection. Nonces are the same in every test, so everything
 * that one side says can be made before the other has said a word.
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

/** The first message of a listener. */
export function challengeFrame(): Buffer {
  return new Authentication('listener', credentialsOf()).challenge();
}

/** Everything that a dialler says: its proof and its hello. */
export function greeting(hello: Hello, secret?: string): Buffer {
  const dialler = new Authentication('dialler', credentialsOf(secret));
  const proof = dialler.onChallenge(messageOf(challengeFrame()));
  return Buffer.concat([proof, dialler.sealed(encodeHello(MessageKind.hello, hello))]);
}

/** A listener's answer to a greeting: its proof, and the frame that it has for the dialler. */
export function answer(makeFrame: (listener: Authentication) => Buffer, secret?: string): Buffer {
  const dialler = new Authentication('dialler', credentialsOf(secret));
  const listener = new Authentication('listener', credentialsOf(secret));
  listener.onProof(messageOf(dialler.onChallenge(messageOf(listener.challenge()))));
  return Buffer.concat([listener.answer(), makeFrame(listener)]);
}

/** The answer of a listener that accepts the dialler. */
export function welcomeAnswer(hello: Hello, secret?: string): Buffer {
  return answer((listener) => listener.sealed(encodeHello(MessageKind.welcome, hello)), secret);
}
