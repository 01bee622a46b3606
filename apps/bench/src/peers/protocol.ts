/**
 * What a peer's process and this program say to each other: a line of JSON for each request on its standard input, one for
 * each answer on its standard output. Arrays are files, raw and row by row. pytorch.py speaks the same.
 */

/** An array in a file of the folder that the request names. */
export interface ArrayFile {
  readonly file: string;
  readonly shape: readonly number[];
  /** f64 comes from references alone. */
  readonly dtype: 'f32' | 'i32' | 'f64';
  /** Rows (of the first axis) that the file holds, where it does not hold all of `shape`. Of references alone. */
  readonly rows?: readonly number[];
}

export type ArrayFiles = Readonly<Record<string, ArrayFile>>;

/** What is asked of a peer. */
export type PeerRequest =
  | {
      /** Loads a case, does it once in every way that the peer has, and writes the results. */
      readonly do: 'prepare';
      readonly folder: string;
      readonly op: string;
      readonly settings: Readonly<Record<string, number>>;
      readonly dtype: 'f32' | 'f16';
      readonly inputs: ArrayFiles;
    }
  /** Does the prepared case `calls` times. The answer comes when the device is done. */
  | { readonly do: 'time'; readonly way: string; readonly calls: number }
  /** Frees the prepared case. */
  | { readonly do: 'drop' };

/** The first line of a peer: who it is, or why it cannot work. */
export type PeerHello =
  | {
      readonly version: string;
      /** Name of the adapter, or the processor. */
      readonly device: string;
      readonly ops: readonly string[];
    }
  | { readonly absent: string };

/** Results by way: a library may have several, such as one call after the other, and compiled as a whole. */
export interface PreparedAnswer {
  readonly ways: Readonly<Record<string, ArrayFiles>>;
  /** Ways that failed, and why. */
  readonly failed?: Readonly<Record<string, string>>;
}

export interface TimedAnswer {
  /** Milliseconds of all calls on the wall clock, from the first call until the device was done. */
  readonly ms: number;
  /** Milliseconds of processor time that the process took meanwhile, in all its threads. */
  readonly processor: number;
}

/** Any request may be answered so. */
export interface ProblemAnswer {
  readonly problem: string;
}
