/** Guesses the columns of a file in memory. */
import { memorySource, type SurveyOptions, surveyCsv } from '@crossgate/data';
import { type GuessedColumns, guessColumns } from '../src/guess-columns';
import type { ToldColumns } from '../src/open-columns';

/** What `init` makes of a file with this content. */
export async function guessOf(
  content: string | Uint8Array,
  told: ToldColumns & SurveyOptions = {},
): Promise<GuessedColumns> {
  const survey = await surveyCsv(memorySource({ 'x.csv': content }), 'x.csv', 'x.csv', told);
  return guessColumns(survey, 'x.csv', told);
}
