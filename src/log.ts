/**
 * The node's log: one JSON line a message. A call never waits for whoever reads the log, and never fails: see
 * line-writer.ts.
 */
import { pino } from 'pino';
import type { Clock } from './clock.ts';
import { LineWriter } from './line-writer.ts';

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
  readonly destination: LogDestination;
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
  const logger = pino(settings, destination);
  return {
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
  };
}

/** Where a process has its log: lines that could not be written are counted, and said in one that can. */
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
