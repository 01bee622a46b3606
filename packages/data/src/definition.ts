/** What is known of a data set before it is built: where its files come from, its options and its recipe. */
import type { Dataset, Recipe } from './dataset';
import type { DatasetOptions } from './options';
import type { SourceFolder } from './source';

/** A file on a server with a known checksum. */
export interface RemoteFile {
  /** Address of the file. */
  readonly url: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Its SHA-256, in lower-case hex. */
  readonly sha256: string;
}

/** A ZIP archive of a data set's publisher. */
export interface RemoteArchive extends RemoteFile {
  /** The files to unpack, the publisher's terms included: name in the source folder → path in the archive. */
  readonly members: Readonly<Record<string, string>>;
}

/** A data set known by name: what it is, which files and options it takes, and how it is built. */
export interface DatasetDefinition {
  /** The name, such as `ml-1m`. */
  readonly name: string;
  /** One line that describes the data set and its split. */
  readonly title: string;
  /** Its publisher's page, or the document that describes it. */
  readonly homepage: string;
  /** Its license, in one line. */
  readonly license: string;
  /** True for a data set generated from constants, which needs no source folder. */
  readonly generated?: true;
  /** Files that the source folder must hold under default options. */
  readonly sourceFiles: readonly string[];
  /**
   * Where to download it. Absent for generated data, the user's own data, and data published without stable checksums.
   */
  readonly download?: RemoteArchive;
  /** Options that it takes. Absent: none, since its recipe is fixed. */
  readonly options?: readonly (keyof DatasetOptions)[];
  /** Files that the source folder must hold under these options. Absent: always `sourceFiles`. */
  filesFor?(options: DatasetOptions): readonly string[];
  /**
   * The recipe under these options: equal recipes and equal sources give equal data.
   *
   * @throws InputError naming the key of an invalid option.
   */
  recipe(options?: DatasetOptions): Recipe;
  /**
   * Builds the data set from its source files.
   *
   * @throws InputError naming file and line for malformed input, and the key of an invalid option.
   */
  build(source: SourceFolder, options?: DatasetOptions): Promise<Dataset>;
}
