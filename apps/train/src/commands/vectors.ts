/** `crossgate vectors`: the CF vectors of a finished run in a file, for an index outside Crossgate. */
import { resolve } from 'node:path';
import { VECTOR_FORMATS, VECTOR_KINDS, type WrittenVectors, writeVectors } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import { type Command, Option } from 'commander';
import { sessionOf } from '../session';
import { keepInputsOfRun } from './keep-inputs';
import { BACKEND, SAFE_CSV, SET_FOR_RUN } from './options';

interface VectorsOptions {
  readonly out: string;
  readonly kind: (typeof VECTOR_KINDS)[number];
  readonly table: string;
  readonly backend?: number;
  readonly safeCsv?: boolean;
  readonly set?: readonly string[];
}

export function registerVectors(program: Command, host: Host): void {
  const command = host
    .add(program, 'vectors <run>', 'Write the CF vectors of a finished run, for an index of your own', [
      'vectors runs/mf-1 --out items.parquet',
      'vectors runs/lightgcn-1 --kind both --out vectors.npy',
      'vectors runs/mf-1 --out items.sql --table item_vectors',
    ])
    .requiredOption('--out <file>', `file to write: ${VECTOR_FORMATS.map((name) => `.${name}`).join(', ')}`)
    .addOption(new Option('--kind <kind>', 'whose vectors').choices(VECTOR_KINDS).default('items'))
    .option('--table <name>', 'with .sql: name of the table', 'vectors')
    .option(...SAFE_CSV)
    .option(...BACKEND)
    .option(...SET_FOR_RUN, collect)
    .addHelpText(
      'after',
      '\nFor a CF run, dot(user, item) + bias of the item ranks items as recommend does; most models have no bias.' +
        '\nFILE.npy has its ids beside it in FILE.npy.ids.csv. FILE.sql makes a table with a vector column of pgvector.' +
        '\nItems without train rows, and users whom the run did not learn, have no vector and are left out.',
    );
  host.handle<VectorsOptions>(
    command,
    async (context, { out, kind, table, backend, safeCsv = false, set = [] }, [run]) => {
      await keepInputsOfRun(context, out, run!);
      await using session = sessionOf(context);
      const options = { kind, table, set, safeCsv, ...(backend !== undefined && { backend }) };
      const written = await writeVectors(session, run!, { ...options, out: resolve(context.io.cwd, out) });
      for (const line of remarks(written)) context.log.info(line);
      const { files, ...facts } = written;
      await context.emit({ run, ...facts, out, ...(files.length > 1 && { ids: `${out}.ids.csv` }) }, () => {
        const { items, users, dim } = written;
        return `${items} items and ${users} users, ${dim} columns: ${[out, ...(files.length > 1 ? [`${out}.ids.csv`] : [])].join(', ')}`;
      });
    },
  );
}

/** What whoever uses the vectors should know. */
function remarks({ model, method, users, leftOut, bias, usersFrom, ranks, levelColumns }: WrittenVectors): string[] {
  const lines: string[] = [];
  if (leftOut > 0)
    lines.push(`${leftOut} without a vector are left out: no train rows, or a user whom the run did not learn`);
  if (users > 0 && usersFrom === 'history')
    lines.push(
      `${model} makes a user's vector of the history: these are of the whole history, and change with new events`,
    );
  if (bias) lines.push('add the bias of the item to the dot product');
  if (!ranks) lines.push(`${method} scores with a language model: dot products do not rank as recommend does`);
  if (levelColumns > 0)
    lines.push(`the first ${levelColumns} columns say how much an item is liked: leave them out of a cosine`);
  return lines;
}
