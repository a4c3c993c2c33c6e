/** Begins and ends the profile of a node over HTTP. */
import { text } from 'node:stream/consumers';
import { errorMessage } from '../../errors.ts';
import type { NodeProfile, ProfileRequest } from '../../node-profile.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { send, sendOrThrow, unreachable } from '../http-client.ts';
import { parseNodeProfile } from './node-profile-checks.ts';

/** A node says nothing while it is profiled. */
const SILENCE_AFTER_END_MS = 60_000;

export interface BegunProfile {
  /** The node's own profile, once it has ended. */
  readonly profile: Promise<NodeProfile>;
  /** Ends it before its time. */
  end(): Promise<void>;
}

/** @param origin of the node: `http://127.0.0.1:19234` */
export async function beginProfile(origin: string, request: ProfileRequest): Promise<BegunProfile> {
  const query = new URLSearchParams({
    kinds: request.kinds.join(','),
    durationMs: String(request.durationMs),
    cpuIntervalMs: String(request.cpuIntervalMs),
    heapIntervalBytes: String(request.heapIntervalBytes),
  });
  const url = `${origin}/v0/profile`;
  const response = await sendOrThrow({
    method: 'POST',
    url: `${url}?${query}`,
    silenceTimeoutMs: request.durationMs + SILENCE_AFTER_END_MS,
  }).catch((error: unknown) => {
    throw isNotFound(error) ? notAllowed(origin) : error;
  });
  const profile = text(response).then(
    (body) => parse(origin, body),
    (error: unknown) => {
      throw unreachable(url, error);
    },
  );
  // It is awaited later, when another step may have failed.
  profile.catch(() => undefined);
  return {
    profile,
    end: async () => {
      const answer = await send({ method: 'DELETE', url });
      answer.resume();
    },
  };
}

function isNotFound(error: unknown): boolean {
  return error instanceof CommandError && error.exitCode === ExitCode.notFound;
}

function notAllowed(origin: string): CommandError {
  return new CommandError(
    ExitCode.error,
    `the node at ${origin} is not to be profiled: start it with --allow-profiling`,
  );
}

function parse(origin: string, body: string): NodeProfile {
  try {
    return parseNodeProfile(body);
  } catch (error) {
    throw new CommandError(
      ExitCode.error,
      `what ${origin} has sent is not the profile of a node: ${errorMessage(error)}`,
    );
  }
}
