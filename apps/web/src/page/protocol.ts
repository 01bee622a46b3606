/** What the page asks of its worker, and what the worker says meanwhile. All of it is plain data. */

/** The GPU that the browser gives. */
export interface Gpu {
  readonly name: string;
  readonly vendor: string;
  /** A program on the CPU. */
  readonly software: boolean;
}

/** Where the files of a run are. */
export type Place =
  /** On the server of the page. */
  | { readonly kind: 'served'; readonly run: Listing; readonly model: Listing | null }
  /** Picked or dropped, by their paths. */
  | { readonly kind: 'files'; readonly run: Folder; readonly model: Folder | null };

/** A folder that the server shows. */
export interface Listing {
  readonly name: string;
  /** Address of the folder: absolute in the worker, relative to the page in the server's answer. */
  readonly url: string;
  readonly files: readonly string[];
}

/** A folder that somebody picked or dropped. */
export interface Folder {
  readonly name: string;
  readonly files: ReadonlyMap<string, File>;
}

/** A run that is open. */
export interface RunSummary {
  readonly name: string;
  readonly method: string;
  readonly model: string;
  readonly users: number;
  readonly items: number;
  /** Of the test rows; null where it is not defined. */
  readonly testAuc: number | null;
  readonly testRows: number;
  /** Some user of whom the run knows something. */
  readonly firstUser: string | null;
  readonly seconds: number;
}

/** One recommended item. */
export interface Recommended {
  readonly item: string;
  readonly title: string;
  readonly score: number;
  readonly cf: number | null;
  readonly llm: number | null;
  /** What taking an item of the history out changes. Absent where nobody asked. */
  readonly reasons?: readonly { readonly title: string; readonly change: number }[];
}

/** A list of one user, with what it goes by. */
export interface List {
  readonly items: readonly Recommended[];
  readonly basis: 'user' | 'folded-in' | 'history' | 'popularity';
  /** Titles of the last likes, newest first. */
  readonly history: readonly string[];
  readonly seconds: number;
}

/** The columns of a CSV file, and which of them are for what. */
export interface Columns {
  readonly names: readonly string[];
  readonly rows: number;
  readonly separator: string;
  readonly user: string | null;
  readonly item: string | null;
  /** What is liked or disliked; null: every row is liked. */
  readonly rating: string | null;
  readonly timestamp: string | null;
  /** A rating above it is a like; null for a column of 0 and 1. */
  readonly threshold: number | null;
}

/** What is trained on. */
export interface Training {
  readonly events: File;
  /** Titles of the items, with the columns item and title. */
  readonly titles: File | null;
  readonly separator: string;
  readonly user: string;
  readonly item: string;
  readonly rating: string | null;
  readonly timestamp: string | null;
  readonly threshold: number | null;
}

/** One epoch of a training. */
export interface Epoch {
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number;
  /** AUC of the validation rows; for likes alone NDCG of their lists. Null where neither is defined. */
  readonly valid: number | null;
}

/** A training that ended. */
export interface Trained {
  readonly users: number;
  readonly items: number;
  readonly trainRows: number;
  readonly testRows: number;
  readonly measure: 'AUC' | 'NDCG@10';
  /** Of the test rows; null where it is not defined. */
  readonly test: number | null;
  readonly bestEpoch: number;
  readonly epochs: number;
  readonly seconds: number;
  readonly warnings: readonly string[];
}

/** An item that a training suggests to a user. */
export interface Suggested {
  readonly item: string;
  readonly title: string;
  /** The probability of a like, 0 to 1. */
  readonly score: number;
}

/** One line of the table of kernels. */
export interface KernelSpeed {
  readonly name: string;
  readonly shape: string;
  readonly milliseconds: number;
  readonly rate: number;
  readonly unit: 'GFLOP/s' | 'GB/s';
}

/** How far something is; `total` 0: nobody knows. */
export interface Progress {
  readonly label: string;
  readonly done: number;
  readonly total: number;
}

/** The jobs of the worker: what each is given, says meanwhile, and answers. */
export interface Jobs {
  gpu: { input: null; note: never; answer: Gpu };
  open: { input: Place; note: Progress; answer: RunSummary };
  findUsers: { input: string; note: never; answer: readonly string[] };
  recommend: { input: { user: string; explain: boolean }; note: Progress; answer: List };
  columns: { input: File; note: never; answer: Columns };
  train: { input: Training; note: Epoch; answer: Trained };
  trainedUsers: { input: string; note: never; answer: readonly string[] };
  suggest: { input: string; note: never; answer: readonly Suggested[] };
  kernels: { input: null; note: KernelSpeed; answer: number };
  forget: { input: null; note: never; answer: boolean };
}

/** From the page. */
export type Request =
  | { readonly id: number; readonly job: keyof Jobs; readonly input: unknown }
  | { readonly stop: number };

/** From the worker. */
export type Reply =
  | { readonly id: number; readonly note: unknown }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly problem: string; readonly stopped: boolean };
