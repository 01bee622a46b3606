/** The log: pino's levels, written to standard error as plain lines that people can read. */
import type { Writable } from 'node:stream';
import { type Log, terminalText } from '@crossgate/core';
import pino from 'pino';

const WARN = 40;
/** Fields that pino adds and that say nothing on a terminal. */
const HIDDEN = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'err']);

/**
 * Turns one pino record into a line: `message (key value, key value)`, from pino's level 40 on with `warning: ` before.
 */
export function formatRecord(record: Record<string, unknown>): string {
  const level = Number(record.level);
  const prefix = level >= WARN ? 'warning: ' : '';
  const fields = Object.entries(record)
    .filter(([key]) => !HIDDEN.has(key))
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const suffix = fields.length > 0 ? ` (${fields.join(', ')})` : '';
  return `${terminalText(`${prefix}${String(record.msg ?? '')}${suffix}`)}\n`;
}

/** Opens the log: one line a record on `stream`, as {@link formatRecord} makes it. */
export function createLogger(
  stream: Writable,
  options: {
    /** Writes warnings only; wins over `verbose`. Default false. */
    quiet?: boolean;
    /** Writes debug lines too. Default false. */
    verbose?: boolean;
  } = {},
): Log {
  const level = options.quiet ? 'warn' : options.verbose ? 'debug' : 'info';
  const destination = {
    write(line: string): void {
      stream.write(formatRecord(JSON.parse(line) as Record<string, unknown>));
    },
  };
  return pino({ level, base: null }, destination);
}
