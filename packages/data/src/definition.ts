/** What a data set tells about itself before it is built: where its files come from, its options and its recipe. */
import type { Dataset, Recipe } from './dataset';
import type { DatasetOptions } from './options';
import type { SourceFolder } from './source';

/** A file on a server, known byte for byte. */
export interface RemoteFile {
  readonly url: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** The publisher's ZIP archive. */
export interface RemoteArchive extends RemoteFile {
  /** Files of the source folder and where they lie in the archive; the publisher's terms among them. */
  readonly members: Readonly<Record<string, string>>;
}

export interface DatasetDefinition {
  readonly name: string;
  /** One line that says what it is and how it is split. */
  readonly title: string;
  readonly homepage: string;
  readonly license: string;
  /** True for a data set made from constants alone: it needs no source folder. */
  readonly generated?: true;
  /** Files that the source folder must hold. */
  readonly sourceFiles: readonly string[];
  /** Where it can be fetched; absent: it is generated, the user's own, or offered in no form that can be checked. */
  readonly download?: RemoteArchive;
  /** Options that it takes; absent: none, its recipe is fixed. */
  readonly options?: readonly (keyof DatasetOptions)[];
  /** The files it needs under other options. */
  filesFor?(options: DatasetOptions): readonly string[];
  /** How it is made under these options: equal recipes of equal sources give equal data. Throws InputError for options that cannot be. */
  recipe(options?: DatasetOptions): Recipe;
  /** Builds the data set. Throws InputError naming file and line for malformed input, and the key of a wrong option. */
  build(source: SourceFolder, options?: DatasetOptions): Promise<Dataset>;
}
