/** `crossgate reproduce`: tables and figures of the paper, each row by our own code, beside the published numbers. */

import { dirname, join, resolve } from 'node:path';
import { decimals, didYouMean, formatDuration, InputError } from '@crossgate/core';
import { sampleRows } from '@crossgate/data';
import {
  fusedItemEmbeddings,
  openRunFiles,
  type PaperPart,
  type PaperPlan,
  type PaperProfile,
  paperCosts,
  paperParts,
  paperProfiles,
  type Reproduction,
  reproducePaper,
  rowsOf,
  type Session,
} from '@crossgate/experiment';
import { makeFolders, shippedPath, writeAtomic } from '@crossgate/files';
import { collect, type Host } from '@crossgate/terminal';
import type { Command } from 'commander';
import { sessionOf, surroundingsOf } from '../session';
import { YES } from './options';

interface ReproduceCommandOptions {
  readonly profile: string;
  readonly model?: string;
  readonly out?: string;
  readonly only?: string[];
  readonly seeds?: string;
  readonly set?: string[];
  readonly list?: boolean;
  readonly yes?: boolean;
}

function choose<Word extends string>(place: string, word: string, words: readonly Word[]): Word {
  const found = words.find((candidate) => candidate === word);
  if (found !== undefined) return found;
  throw new InputError(`unknown value ${word}${didYouMean(word, words)}`, {
    ...{ code: 'usage', place, fix: `use ${words.join(', ')}` },
  });
}

/** `1,2,3`. @throws InputError */
function parseSeeds(text: string): number[] {
  const seeds = text.split(',').map((part) => (/^\d{1,10}$/.test(part.trim()) ? Number(part) : Number.NaN));
  if (seeds.every((seed) => seed < 2 ** 32) && new Set(seeds).size === seeds.length) return seeds;
  throw new InputError(`${text} is not a list of distinct seeds`, {
    ...{ code: 'usage', place: '--seeds', fix: 'write whole numbers with commas, such as 1,2,3' },
  });
}

/** Figure 4 of each data set, as SVG. */
async function drawMaps(
  { maps }: Reproduction,
  session: Session,
  set: readonly string[],
): Promise<Record<string, string>> {
  const { drawItemMap } = await import('@crossgate/report');
  const drawn: Record<string, string> = {};
  for (const { dataset, run, seed, items, reason } of maps) {
    if (run === null) {
      session.log.warn(`figure4, ${dataset}: ${reason}`);
      continue;
    }
    const data = await openRunFiles(session, run, set);
    const { itemCount } = data.dataset;
    const chosen = sampleRows(itemCount, Math.min(items, itemCount), seed).map((row) => row + 1);
    const embeddings = await fusedItemEmbeddings(run, session, chosen, set);
    const titles = Array.from(chosen, (item) => data.dataset.items[item]!.title);
    drawn[dataset] = (await drawItemMap(embeddings, titles, { session, seed, legend: true })).svg;
  }
  return drawn;
}

/**
 * Writes the tables in every format, and the figures.
 * @param parts what was made: files of other parts stay
 * @param maps of `drawMaps`
 * @returns the paths as the user would write them
 */
async function writeFiles(
  reproduction: Reproduction,
  parts: readonly PaperPart[],
  maps: Record<string, string>,
  cwd: string,
): Promise<string[]> {
  const { paperFiles } = await import('@crossgate/report');
  const { out } = reproduction;
  const stem = parts.length === paperParts.length ? 'all' : parts.join('-');
  const files = await paperFiles(reproduction, stem, maps);
  await makeFolders(resolve(cwd, out), 'choose another --out');
  for (const [name, content] of Object.entries(files)) await writeAtomic(resolve(cwd, out, name), content);
  return Object.keys(files).map((name) => join(out, name));
}

/** The `--set` arguments that say where data and models lie: a finished run takes these alone. */
const placesOf = (set: readonly string[] = []): string[] =>
  set.filter((argument) => /^(data\.path|llm\.path)=/.test(argument));

/** Registers the command. */
export function registerReproduce(program: Command, host: Host): void {
  const command = host
    .add(
      program,
      'reproduce <what...>',
      'Run what tables and figures of the paper show, beside the published numbers',
      [
        'reproduce all --profile smoke',
        'reproduce table3 --profile small --only ccf-mf --only collm-mf',
        'reproduce table3 figure3 --profile small --model HuggingFaceTB/SmolLM2-135M-Instruct --seeds 1,2,3',
        'reproduce all --profile paper --list',
      ],
    )
    .option('--profile <name>', `how large: ${paperProfiles.map(({ name }) => name).join(', ')}`, 'small')
    .option('--model <path>', "language model, in place of the profile's")
    .option('--seeds <list>', "seeds with commas, in place of the profile's")
    .option('--only <word>', 'only the row of this id, or rows whose id contains this word (repeatable)', collect)
    .option('--out <dir>', 'folder of runs and tables (default: runs/reproduce-<profile>)')
    .option('--set <key=value>', 'change a key of the configs of all experiments (repeatable)', collect)
    .option('--list', 'show what would be run and what it costs, and stop')
    .option(...YES);
  host.handle<ReproduceCommandOptions>(command, async (context, options, args) => {
    const words = args.flat();
    const parts = words.includes('all')
      ? [...paperParts]
      : words.map((word) => choose<PaperPart>('<what>', word, paperParts));
    const name = choose(
      '--profile',
      options.profile,
      paperProfiles.map((profile) => profile.name),
    );
    const profile = paperProfiles.find((candidate) => candidate.name === name) as PaperProfile;
    const { io, log } = context;
    const folder = await shippedPath('configs/paper', surroundingsOf(io).program!);
    if (folder === undefined) {
      throw new InputError('the configs of the paper did not come with this program', {
        ...{ code: 'file.not-found', fix: 'install it again' },
      });
    }
    const { only = [], model, set } = options;
    if (only.length > 0 && rowsOf(parts, only).length === 0) {
      throw new InputError(`no row of ${parts.join(', ')} matches ${only.join(', ')}`, {
        ...{ code: 'usage', place: '--only', fix: 'see the ids with --list' },
      });
    }
    const plan: PaperPlan = {
      ...{ profile, configs: dirname(folder), cwd: io.cwd, model, set },
      seeds: options.seeds === undefined ? undefined : parseSeeds(options.seeds),
    };
    await using session = sessionOf(context, options.yes ?? false);
    const costs = await paperCosts(plan, session, { parts, only });
    const { costTable, formatPaperTable, paperTables } = await import('@crossgate/report');
    if (options.list === true) {
      await context.emit(costs, () => costTable(costs));
      return;
    }
    const prompts = costs.reduce((sum, cost) => sum + cost.trainedPrompts + cost.scoredPrompts, 0);
    log.info(`reproduce: ${costs.length} experiments, ${prompts} prompts, profile ${name}: ${profile.summary}`);
    const out = options.out ?? join('runs', `reproduce-${name}`);
    const reproduction = await reproducePaper(plan, session, {
      ...{ parts, only, out },
      onRow({ id, dataset, status, auc, published, seconds }) {
        const ours = status === 'done' ? `AUC ${decimals(auc?.mean)}` : status;
        const time = seconds === null ? '' : `, ${formatDuration(seconds)}`;
        log.info(`${id}, ${dataset}: ${ours}${published === null ? '' : `, paper ${decimals(published)}`}${time}`);
      },
    });
    const maps = await drawMaps(reproduction, session, placesOf(set));
    const files = await writeFiles(reproduction, parts, maps, io.cwd);
    await context.emit({ ...reproduction, files }, () =>
      [
        ...paperTables(reproduction).map((table) => formatPaperTable(table, 'text')),
        `written: ${files.join(', ')}`,
      ].join('\n\n'),
    );
    const failed = reproduction.rows.filter(({ status }) => status === 'failed');
    if (failed.length > 0) {
      throw new Error(
        `${failed.length} rows failed (${failed[0]!.id}: ${failed[0]!.reason}); the same command tries them again`,
      );
    }
  });
}
