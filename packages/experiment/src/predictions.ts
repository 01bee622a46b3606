/** Predictions of a split: the CSV of a run folder, and the metrics computed from it. */

import { InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { csvField } from '@crossgate/data';
import { readColumns } from '@crossgate/data/node';
import { evaluateClicks, type SplitMetrics } from '@crossgate/eval';
import type { SplitName } from './config/schema';
import { pick } from './evaluated-rows';

/** What a method says about the evaluated rows of a split, in their order. */
export interface Scores {
  /** Any real number that ranks rows, such as z_yes − z_no: f32 probabilities saturate into ties, this does not. */
  readonly logit: Float64Array;
  /** Probability of a positive where the method has one, else any number; log loss is null when it leaves [0, 1]. */
  readonly score: Float64Array;
}

/** Scored rows. `user` holds any numbers that tell users apart. */
export interface Predictions extends Scores {
  /** [rows] user of each row. */
  readonly user: Int32Array;
  /** [rows] 1 for a positive, 0 for a negative. */
  readonly label: Uint8Array;
  /** [rows] 1 for a warm row: its user and its item both have train rows. Absent: warm and cold are not told apart. */
  readonly seen?: Uint8Array;
}

/** Metrics of scored rows: rank metrics from the logits, log loss from the scores. */
export function evaluatePredictions(predictions: Predictions): SplitMetrics {
  const { user, label, seen, logit, score } = predictions;
  return evaluateClicks({ user, label, score: logit, probability: score, ...(seen === undefined ? {} : { seen }) });
}

/**
 * Joins the scores of a split with its rows.
 * @param trained whether a training can be the reason for a score that is no number
 * @param chosen the rows that were scored; default: all
 * @throws Error for scores that are not finite, or not one per row
 */
export function predictionsOf(
  dataset: Dataset,
  split: SplitName,
  scores: Scores,
  trained: boolean,
  chosen?: Int32Array,
): Predictions {
  const rows = dataset.splits[split];
  const count = chosen?.length ?? rows.rows;
  for (const values of [scores.logit, scores.score]) {
    if (values.length !== count) throw new Error(`${split}: ${values.length} scores for ${count} rows`);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const reason = trained ? '; the training diverged' : '';
      throw new Error(`${split}: the score of row ${bad} is ${values[bad]}${reason}`);
    }
  }
  const [user, label, seen] = [pick(rows.user, chosen), pick(rows.label, chosen), pick(rows.seen, chosen)];
  return { user, label, seen, ...scores };
}

/**
 * The CSV of a split: `user,item,label,logit,score,seen`, ids as in the source, numbers with all their digits.
 * @param chosen the rows that were scored; default: all
 */
export function formatPredictions(dataset: Dataset, split: SplitName, scores: Scores, chosen?: Int32Array): string {
  const { rows, user, item, label, seen } = dataset.splits[split];
  const lines = ['user,item,label,logit,score,seen'];
  for (let index = 0; index < (chosen?.length ?? rows); index++) {
    const row = chosen === undefined ? index : chosen[index]!;
    const ids = `${csvField(dataset.users[user[row]!]!)},${csvField(dataset.items[item[row]!]!.id)}`;
    lines.push(`${ids},${label[row]},${scores.logit[index]},${scores.score[index]},${seen[row]}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Reads scored rows from a CSV with the columns user, label and score; a `logit` column, where there is one, ranks the
 * rows, and a `seen` column splits them into warm and cold.
 * @throws InputError naming file, line and column
 */
export async function readPredictions(path: string): Promise<Predictions> {
  const ids = new Map<string, number>();
  const [user, label, logit, score, seen]: number[][] = [[], [], [], [], []] as number[][];
  let hasSeen = false;
  for await (const { line, values } of readColumns(path, ['user', 'label', 'score'], ['logit', 'seen'])) {
    const [userText, labelText, scoreText, logitText, seenText] = values as [string, string, string, string?, string?];
    if (userText.trim() === '') throw new InputError('user is empty', { code: 'csv.value', place: `${path}:${line}` });
    let id = ids.get(userText);
    if (id === undefined) {
      id = ids.size + 1;
      ids.set(userText, id);
    }
    user!.push(id);
    label!.push(readFlag(path, line, 'label', labelText));
    const scoreValue = readNumber(path, line, 'score', scoreText);
    score!.push(scoreValue);
    logit!.push(logitText === undefined ? scoreValue : readNumber(path, line, 'logit', logitText));
    if (seenText !== undefined) {
      hasSeen = true;
      seen!.push(readFlag(path, line, 'seen', seenText));
    }
  }
  if (user!.length === 0) throw new InputError('holds no rows below its header', { code: 'csv.empty', place: path });
  return {
    user: Int32Array.from(user!),
    label: Uint8Array.from(label!),
    logit: Float64Array.from(logit!),
    score: Float64Array.from(score!),
    ...(hasSeen ? { seen: Uint8Array.from(seen!) } : {}),
  };
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function readNumber(path: string, line: number, column: string, text: string): number {
  const value = NUMBER.test(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) {
    throw new InputError(`${column} is ${JSON.stringify(text.slice(0, 40))}; it must be a finite number`, {
      code: 'csv.value',
      place: `${path}:${line}`,
    });
  }
  return value;
}

function readFlag(path: string, line: number, column: string, text: string): number {
  const value = NUMBER.test(text.trim()) ? Number(text) : Number.NaN;
  if (value !== 0 && value !== 1) {
    throw new InputError(`${column} is ${JSON.stringify(text.slice(0, 40))}; it must be 0 or 1`, {
      code: 'csv.value',
      place: `${path}:${line}`,
    });
  }
  return value;
}
