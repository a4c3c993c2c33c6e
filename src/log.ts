/**
 * The node's log: one JSON line per message. A call never waits for the reader of the log, and never fails: see
 * line-writer.ts.
 */
import { pino } from 'pino';
import type { Clock } from './clock.ts';
import { LineWriter } from './line-writer.ts';

type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** From the most verbose to none at all. */
export const LOG_LEVELS = ['info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

interface LogDestination {
  /** @param line ends in a newline */
  write(line: string): void;
}

interface LogOptions {
  readonly level: LogLevel;
  readonly destination: LogDestination;
  /** Written in each line, to tell the nodes of one machine apart. */
  readonly node?: string;
}

export function createLog(options: LogOptions): Log {
  const { destination } = options;
  const settings = {
    level: options.level,
    base: options.node === undefined ? null : { node: options.node },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(settings, destination);
  return {
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
  };
}

/** The writer of a process's log. Lines that could not be written are counted, and a later line says how many. */
export function openLogWriter(fd: number, clock: Clock, node: string): LineWriter {
  return new LineWriter(fd, {
    clock,
    describeLost: (lines) => {
      const msg = `${lines} log ${lines === 1 ? 'line was' : 'lines were'} lost before this one: whatever takes the log did not take them in time`;
      return `${JSON.stringify({ level: 'warn', time: clock.nowMs(), node, lost: lines, msg })}\n`;
    },
  });
}

function ignore(): void {}

export const silentLog: Log = { info: ignore, warn: ignore, error: ignore };
