/** `crossgate similar`: the items that are most like one, by the CF vectors of a finished run. */
import { textTable } from '@crossgate/core';
import { similarItems } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import type { Command } from 'commander';
import { sessionOf } from '../session';
import { BACKEND, parseCount, SET_FOR_RUN } from './options';

interface SimilarCommandOptions {
  readonly item: string;
  readonly top: number;
  readonly backend?: number;
  readonly set?: readonly string[];
}

export function registerSimilar(program: Command, host: Host): void {
  const command = host
    .add(program, 'similar <run>', 'Find the items that are most like one, by the CF vectors of a finished run', [
      'similar runs/mf-1 --item 318',
      'similar runs/ccf-1 --item 318 --top 5 --json',
    ])
    .requiredOption('--item <id>', 'the item, by the id of the source')
    .option('--top <k>', 'how many items', parseCount, 10)
    .option(...BACKEND)
    .option(...SET_FOR_RUN, collect)
    .addHelpText(
      'after',
      '\nA score is the cosine of two vectors, from -1 to 1. A run on a language model gives the CF vectors that it tuned;' +
        '\nof two CF models (cf.run), the mean of both cosines counts unless --backend names one.' +
        '\nItems without train rows have no vector and are not listed.',
    );
  host.handle<SimilarCommandOptions>(command, async (context, { item, top, backend, set = [] }, [run]) => {
    await using session = sessionOf(context);
    const found = await similarItems(session, run!, { item, top, set, ...(backend !== undefined && { backend }) });
    if (found.items.length === 0) context.log.warn('no other item has a vector');
    await context.emit(found, () =>
      textTable([
        ['', 'cosine', 'item', 'title'],
        ...found.items.map(({ item: id, title, score }, rank) => [String(rank + 1), score.toFixed(4), id, title]),
      ]),
    );
  });
}
