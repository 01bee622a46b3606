/** What a report reads of a run folder. */
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import { readColumns } from '@crossgate/data/node';
import {
  type MetricsRecord,
  type Predictions,
  readMetrics,
  readPredictions,
  readResult,
  type SplitName,
  type StoredResult,
  storedProvenance,
} from '@crossgate/experiment';
import { kindOf, readText } from '@crossgate/files';

/** The scored rows of a split, with ids as in the source. */
export interface NamedRows extends Predictions {
  /** [rows] id of the user of each row. */
  readonly userId: readonly string[];
  /** [rows] id of the item of each row. */
  readonly itemId: readonly string[];
}

/** A finished run. */
export interface ReportedRun {
  /** The path as the user gave it. */
  readonly shown: string;
  /** The absolute path. */
  readonly path: string;
  /** Unique among the runs of the report. */
  readonly name: string;
  /** What result.json says. */
  readonly result: StoredResult;
  /** The text of config.yaml. */
  readonly config: string;
  /** What the config says of how the run was made: versions, adapter, hashes. */
  readonly provenance: Readonly<Record<string, unknown>>;
  /** The records of metrics.jsonl; none for a method that is not trained. */
  readonly records: readonly MetricsRecord[];
  /** The scored rows of the split of the report. */
  readonly rows: NamedRows;
}

/** A run folder: the path as the user gave it, and the absolute one. */
export interface RunPlace {
  /** The path as the user gave it. */
  readonly shown: string;
  /** The absolute path. */
  readonly path: string;
}

/**
 * Reads finished runs. Runs of one name are called by their paths.
 * @throws InputError for a run that is not complete or lacks a file, and for one without predictions for the split
 */
export async function readRuns(places: readonly RunPlace[], split: SplitName): Promise<ReportedRun[]> {
  const runs: ReportedRun[] = [];
  for (const { shown, path } of places) {
    const result = await readResult(path);
    if (result.metrics[split] === undefined) {
      throw new InputError(`has no predictions for split ${split}; it has ${Object.keys(result.metrics).join(', ')}`, {
        code: 'run.no-predictions',
        place: shown,
        fix: 'choose another --split',
      });
    }
    const log = join(path, 'metrics.jsonl');
    runs.push({
      ...{ shown, path, result, name: result.name },
      config: await readText(join(path, 'config.yaml'), 'config'),
      provenance: (await storedProvenance(path)) as Readonly<Record<string, unknown>>,
      records: (await kindOf(log)) === 'file' ? readMetrics(log) : [],
      rows: await readNamedRows(join(path, 'predictions', `${split}.csv`)),
    });
  }
  const isShared = (name: string) => runs.filter((run) => run.name === name).length > 1;
  return runs.map((run) => (isShared(run.name) ? { ...run, name: run.shown } : run));
}

async function readNamedRows(file: string): Promise<NamedRows> {
  if ((await kindOf(file)) !== 'file')
    throw new InputError('is missing; the run folder is not whole', { code: 'run.damaged', place: file });
  const predictions = await readPredictions(file);
  const [userId, itemId]: [string[], string[]] = [[], []];
  for await (const { values } of readColumns(file, ['user', 'item'])) {
    userId.push(values[0]!);
    itemId.push(values[1]!);
  }
  return { ...predictions, userId, itemId };
}
