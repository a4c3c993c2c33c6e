/**
 * What a node and its doors are to each other. A door is a way in for clients, as src/http is for those that speak HTTP:
 * it reads what they ask, begins it when admission says so, calls the services and writes the answers. A node has as
 * many doors as it is given, or none, and all share one admission, and so its bounds.
 */
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { NodeServices } from '../services.ts';
import type { Admission } from './admission.ts';

/** What a node gives to a door. */
export interface DoorContext extends NodeServices {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly log: Log;
  /** The number by which `ranges` knows this door's first entry encoder; the next one has the next number. */
  readonly firstEncoder: number;
}

export interface Door {
  /**
   * Resolves when clients are let in.
   * @throws QuorateError with a sentence for people; then nothing listens
   */
  listen(): Promise<void>;
  /** Where clients reach it, for people. Known once it listens, and afterwards. */
  readonly address: string;
  /**
   * The node begins to drain: lets go of clients that have asked for nothing. Those under way are still answered, and
   * what they and others ask for from now on is refused, as `admission.isDraining` says.
   */
  quiesce(): void;
  /** Nothing is under way any more: lets nobody in, and resolves when every client has gone. Also before it listened. */
  close(): Promise<void>;
  /** Cuts off who is left: called when `close` has been, and takes too long. */
  abort(): void;
}

/** How a node comes by a door. */
export interface DoorFactory {
  /** Modules that encode the entries of a scan as this door's clients take them: `file:` URLs. */
  readonly entryEncoders: readonly string[];
  create(context: DoorContext): Door;
}
