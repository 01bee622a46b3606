/** Comma-separated values (RFC 4180) as a stream, by Papa Parse: lines for messages, and refusals of what is malformed. */
/// <reference path="./papaparse.d.ts" />
import { InputError } from '@crossgate/core';
import Papa from 'papaparse';

/** A record of a CSV file. */
export interface CsvRecord {
  /** The line on which it starts, from 1. */
  readonly line: number;
  /** Its fields, without quotes. */
  readonly fields: readonly string[];
}

/** Characters of a row. A quote that is never closed must not fill the memory with the rest of the file. */
const maximumRow = 1 << 22;

/**
 * Splits text that arrives in chunks into records. Blank lines are skipped; quotes inside a field that does not begin with
 * one are text; blanks between a closing quote and the separator are dropped.
 */
export class CsvSplitter {
  /** The beginning of a row whose end has not come yet. */
  private rest = '';
  private line = 1;
  private readonly quoted: RegExp;

  /**
   * @param name of the file, for messages.
   * @param separator one character between fields. Default: a comma.
   */
  constructor(
    private readonly name: string,
    private readonly separator = ',',
  ) {
    const literal = /\w/.test(separator) ? separator : `\\${separator}`;
    this.quoted = new RegExp(`(?<=^|${literal})"[^"]*(?:""[^"]*)*"`, 'g');
  }

  /**
   * Feeds a chunk and returns the records it completes.
   *
   * @throws InputError naming the line that a row starts on: a quote that ends too early, a carriage return without a line
   *   feed outside of quotes, a row longer than 4,194,304 characters
   */
  push(chunk: string): CsvRecord[] {
    return this.take(this.rest + chunk, false);
  }

  /**
   * Ends the file: returns the last record where the file has no final line end.
   *
   * @throws InputError as `push`, and for a quote that is never closed
   */
  end(): CsvRecord[] {
    return this.take(this.rest.replace(/\r$/, ''), true);
  }

  /** Takes the rows of a text that starts where a row does. What is left of an unfinished one is kept. */
  private take(text: string, final: boolean): CsvRecord[] {
    const cut = final ? text.length : text.lastIndexOf('\n') + 1;
    this.rest = text.slice(cut);
    const records = this.rest.length > maximumRow ? undefined : this.takeAtOnce(text.slice(0, cut));
    return records ?? this.takeByRow(text, final);
  }

  /** The rows of whole lines, or undefined where more must be known of a row than its fields. */
  private takeAtOnce(text: string): CsvRecord[] | undefined {
    if (text.length > maximumRow || /\r(?!\n)/.test(text)) return undefined;
    const { data, errors } = Papa.parse(...this.asked(text));
    if (errors.length > 0) return undefined;
    // After the last line end there is one more row of nothing.
    if (data.length > 0 && text.endsWith('\n')) data.pop();
    const records: CsvRecord[] = [];
    const oneEach = countLines(text) <= data.length;
    let line = this.line;
    for (const fields of data) {
      const last = fields.length - 1;
      const ending = fields[last] as string;
      if (ending.endsWith('\r')) fields[last] = ending.slice(0, -1);
      const blank = last === 0 && fields[0] === '';
      // An empty field in quotes is a row, an empty line is none.
      if (blank && text.includes('"')) return undefined;
      if (!blank) records.push({ line, fields });
      line += oneEach ? 1 : fields.reduce((sum, field) => sum + countLines(field), 1);
    }
    this.line = line;
    return records;
  }

  private takeByRow(text: string, final: boolean): CsvRecord[] {
    const records: CsvRecord[] = [];
    let start = 0;
    this.rest = '';
    const step = ({ data, errors, meta }: Papa.Step): void => {
      const end = meta.cursor;
      if (end === start) return;
      const has = (problem: Papa.Problem['code']) => errors.some(({ code }) => code === problem);
      const open = text[end - 1] !== '\n' || has('MissingQuotes');
      // What follows a quote, blanks aside, says whether it was the closing one.
      const malformed = has('InvalidQuotes') && !/"\s*$/.test(text);
      if (open && !final && !malformed && end - start <= maximumRow) {
        this.rest = text.slice(start);
        return;
      }
      const line = this.line;
      const row = text.slice(start, end);
      this.refuse(line, errors, row);
      start = end;
      this.line += countLines(row);
      if (row !== '\n' && row !== '\r\n') records.push({ line, fields: this.withoutReturn(data, row, line) });
    };
    const [input, options] = this.asked(text);
    Papa.parse(input, { ...options, step });
    return records;
  }

  private asked(text: string): [string, Papa.Options] {
    // Papa Parse drops a byte order mark; one that begins a later row is text.
    const input = text.startsWith('\ufeff') ? `\ufeff${text}` : text;
    return [input, { delimiter: this.separator, newline: '\n' }];
  }

  private refuse(line: number, errors: readonly Papa.Problem[], row: string): void {
    const fail = (problem: string, fix?: string): never => {
      throw new InputError(problem, { code: 'csv.syntax', place: `${this.name}:${line}`, fix });
    };
    if (errors.some(({ code }) => code === 'InvalidQuotes')) {
      const escaped = row.includes('\\"') ? ': write "" for \\"' : '';
      fail('text after a closing quote', `double the quotes inside a field${escaped}`);
    }
    if (row.length > maximumRow) fail(`a row is longer than ${maximumRow} characters; is a quoted field never closed?`);
    if (errors.length > 0) fail('a quoted field is never closed');
  }

  /** A carriage return before the line feed ends the line, one in quotes is text, any other is refused. */
  private withoutReturn(fields: readonly string[], row: string, line: number): readonly string[] {
    if (!row.includes('\r')) return fields;
    const body = row.replace(/\r?\n$/, '');
    if (body.includes('\r') && body.replace(this.quoted, '').includes('\r')) {
      throw new InputError('a carriage return without a line feed', {
        code: 'csv.syntax',
        place: `${this.name}:${line}`,
        fix: `save it with \\n line ends`,
      });
    }
    const last = fields.at(-1) as string;
    if (!last.endsWith('\r') || body.endsWith('\r"')) return fields;
    return [...fields.slice(0, -1), last.slice(0, -1)];
  }
}

function countLines(row: string): number {
  let count = 0;
  for (let at = row.indexOf('\n'); at >= 0; at = row.indexOf('\n', at + 1)) count++;
  return count;
}

/**
 * {@link csvField} for a spreadsheet: before a text that begins with `=`, `+`, `-`, `@`, a tab or a line end it puts `'`, so
 * that none is taken for a formula. Read back, the text has it.
 */
export function safeCsvField(value: string): string {
  return csvField(/^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value);
}

/** Encodes one field of a CSV file (RFC 4180): in quotes only where a comma, quote or line end demands it. */
export function csvField(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
