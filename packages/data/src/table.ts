/** Tables: sources whose columns have names and types, such as Parquet files and results of SQL. */

/** A value of a table. What is missing is an empty text, as in a CSV file. */
export type Cell = string | number;

/**
 * What values of a column are: `text` is text; `integer` a whole number, as a number where that is exact and else as
 * text; `number` a fraction; `flag` the text true or false; `time` seconds since 1970 as a number; `other` cannot be
 * read.
 */
export type CellKind = 'text' | 'integer' | 'number' | 'flag' | 'time' | 'other';

/** A column of a table. */
export interface TableColumn {
  /** Its name, letter by letter. */
  readonly name: string;
  /** The type as its source calls it, for messages. */
  readonly type: string;
  /** What its values are. */
  readonly kind: CellKind;
}

/** Some rows of a table, by column. */
export interface TableBatch {
  /** How many. */
  readonly rows: number;
  /** The values of each column that was asked for. */
  readonly columns: readonly (readonly Cell[])[];
}

/** A table that is open for one reading. */
export interface Table {
  /** Its name in messages. */
  readonly name: string;
  /** All columns, in their order. */
  readonly columns: readonly TableColumn[];
  /** Remarks on the source that do not prevent its use. */
  readonly warnings?: readonly string[];
  /**
   * Reads the rows in their order, with the columns of these indices; a few thousand at a time are in memory.
   *
   * @throws InputError for a damaged file, and what a database refuses.
   */
  read(indices: readonly number[]): AsyncIterable<TableBatch>;
  /** Closes it; to be called once, also after an error. */
  close(): Promise<void>;
}
