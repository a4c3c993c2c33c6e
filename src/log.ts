/**
 * The node's log: one JSON line a message, written before the call returns, so that the last words of a process
 * that dies are not lost. No worker thread is involved.
 */
import { pino } from 'pino';

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** From the most talkative to none at all. */
export const LOG_LEVELS = ['info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogDestination {
  /** @param line ends in a newline */
  write(line: string): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** A file descriptor, or whatever takes lines. */
  readonly destination: number | LogDestination;
  /** Stands in each line, so that the nodes of one machine can be told apart. */
  readonly node?: string;
}

export function createLog(options: LogOptions): Log {
  const { destination } = options;
  const settings = {
    level: options.level,
    base: options.node === undefined ? null : { node: options.node },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const sink =
    typeof destination === 'number' ? pino.destination({ dest: destination, sync: true }) : destination;
  const logger = pino(settings, sink);
  return {
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
  };
}

function ignore(): void {}

export const silentLog: Log = { info: ignore, warn: ignore, error: ignore };
