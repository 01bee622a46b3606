/**
 * @crossgate/data: recommendation data sets, their splits, histories and batches. Pure; `./node` reads and writes
 * files.
 */

export { InputError } from '@crossgate/core';
export { buildAmazonBooks } from './amazon-books';
export { type Assembly, assembleDataset, type Events } from './assemble';
export { type CellFormat, readNumber, readTexts } from './attribute-table';
export {
  type Attribute,
  type AttributeSummary,
  type AttributeType,
  attributesOf,
  checkAttributes,
  findAttribute,
  type ItemAttributes,
  type NumberAttribute,
  summarizeAttributes,
  type TextAttribute,
} from './attributes';
export { batchRows, sampleRows, shuffledRows } from './batches';
export { type ColumnRole, columnRole, columnsFor, type NamedColumn, nameParts } from './column-names';
export { type Continuation, continueDataset } from './continue';
export { type CsvRecord, CsvSplitter, csvField, safeCsvField } from './csv';
export { buildCsv } from './csv-dataset';
export {
  Dataset,
  type DatasetParts,
  type DatasetSummary,
  type Item,
  parseSplitName,
  type Recipe,
  type Split,
  type SplitName,
  type SplitSummary,
  splitNames,
  summarizeDataset,
} from './dataset';
export { readDatasetFile } from './dataset-file';
export type { DatasetDefinition, RemoteArchive, RemoteFile } from './definition';
export { demoConstants } from './demo/constants';
export { buildDemo } from './demo/demo';
export { type DemoOracleScores, demoOracles } from './demo/oracles';
export {
  type DemoEvent,
  type DemoItem,
  type DemoLogit,
  type DemoUser,
  type DemoWorld,
  demoLogit,
  generateDemoWorld,
} from './demo/world';
export { type ExportedRow, exportSplit, jsonId } from './export';
export {
  attributesFile,
  contentFiles,
  type DatasetManifest,
  type DecodeOptions,
  decodeDataset,
  encodeDataset,
  formatVersion,
  hashDataset,
  manifestFile,
  parseManifest,
} from './format';
export { IdLookup } from './id-lookup';
export { buildMl1m, ml1mSplitOf } from './ml-1m';
export { buildMl100k } from './ml-100k';
export {
  type CsvOptions,
  type DatasetOptions,
  type FilterOptions,
  hasOptions,
  type MissingColumn,
  type MissingTexts,
  requireOptions,
  type SplitOptions,
  type SqlOptions,
} from './options';
export { RandomStream } from './random-stream';
export { type CsvColumns, type CsvKeys, type CsvRow, readCsv } from './read-csv';
export { findDataset, listDatasets } from './registry';
export { type RowPlace, rowFinder } from './row-finder';
export {
  type CsvForm,
  memorySource,
  type Place,
  parseInteger,
  type RowFormat,
  readRows,
  type SourceFolder,
  type SourcePart,
} from './source';
export { addressProblem, isServer, type SqlSource } from './sql-options';
export {
  type ColumnFacts,
  type CsvSurvey,
  type FoundValue,
  type SurveyOptions,
  surveyCsv,
  surveyTable,
} from './survey';
export type { Cell, CellKind, Table, TableBatch, TableColumn } from './table';
export { parseTime } from './time';
export { timeReader, timeUnits } from './time-format';
export type { TimeForm } from './time-survey';
export { type Condition, checkWhere, itemFilter, orderedWhere, parseWhere, type Where } from './where';
export { hasWholePast, type Window } from './window';
