/** `crossgate data`: known data sets, prepared folders, and their rows as JSON lines. */

import { dirname, resolve } from 'node:path';
import { InputError, type ProgressTask, terminalJson, textTable, throwIfInterrupted } from '@crossgate/core';
import {
  type DatasetSummary,
  exportSplit,
  findDataset,
  listDatasets,
  parseSplitName,
  summarizeDataset,
} from '@crossgate/data';
import { downloadDataset, prepareDataset } from '@crossgate/data/node';
import { dataHome, openDataFolder, readDataOptions } from '@crossgate/experiment';
import { makeFolders, removeFolders } from '@crossgate/files';
import type { Host } from '@crossgate/terminal';
import { collect, write } from '@crossgate/terminal';
import type { Command } from 'commander';
import { setOption } from './options';

/** Characters gathered before a write. */
const CHUNK = 1 << 16;

export function registerData(program: Command, host: Host): void {
  const data = host.add(program, 'data', 'List, download, prepare and export data sets', [
    'data list',
    'data download ml-1m',
    'data prepare --help',
  ]);

  const list = host.add(data, 'list', 'List the known data sets', ['data list']);
  host.handle(list, async (context) => {
    const datasets = listDatasets().map(({ name, title, homepage, license, sourceFiles }) => {
      return { name, title, homepage, license, sourceFiles };
    });
    await context.emit({ datasets }, () =>
      datasets.map((entry) => `${entry.name}\n  ${entry.title}\n  ${entry.homepage} (${entry.license})`).join('\n'),
    );
  });

  const fetching = host
    .add(data, 'download <name>', 'Fetch and check a data set of a publisher; resumes an interrupted download', [
      'data download ml-1m',
      'data download ml-100k --out downloads/ml-100k',
    ])
    .option('--out <dir>', 'folder of the files (default: CROSSGATE_DATA/<name>, else data/<name>)')
    .option('--url <url>', 'fetch the same archive from another place, such as a mirror');
  host.handle<{ out?: string; url?: string }>(fetching, async (context, { out, url }, [name]) => {
    const { io, log } = context;
    throwIfInterrupted(io.signal);
    const definition = findDataset(name!);
    if (url !== undefined && !URL.canParse(url))
      throw new InputError(`${url} is not a URL`, { code: 'usage', place: '--url', fix: 'give one with http://' });
    const folder = out === undefined ? dataHome(name!, io) : resolve(io.cwd, out);
    const { license, homepage } = definition;
    log.info(`${name}: ${license} (${homepage}); by using the files you accept the publisher's terms`);
    const made = await makeFolders(folder, 'choose another --out');
    let task: ProgressTask | undefined;
    try {
      const outcome = await downloadDataset(definition, folder, {
        signal: io.signal,
        env: io.env,
        ...(url === undefined ? {} : { url }),
        progress(bytes, total, from) {
          task ??= context.progress.start(`downloading ${name}`, total, 'bytes', from);
          task.update(bytes);
        },
      });
      await context.emit({ dataset: name, folder, ...outcome, license, homepage }, () => {
        const state = outcome.downloaded ? 'is now' : 'was already';
        return `${name} ${state} in ${folder}: ${outcome.files.join(', ')}`;
      });
    } catch (error) {
      // What came so far stays for the next attempt; a folder that stayed empty goes.
      if (made !== undefined) await removeFolders(folder, made);
      throw error;
    } finally {
      task?.finish();
    }
  });

  const prepare = host
    .add(data, 'prepare <name>', "Write a checked folder from the publisher's files or your own", [
      'data prepare ml-1m --source downloads/ml-1m --out data/ml-1m',
      'data prepare csv --source shop/purchases.csv --out data/shop --set data.split.by=leave-one-out --set data.csv.user=customer',
      'data prepare demo --out data/demo',
    ])
    .option('--source <dir>', "folder with the publisher's files, or your CSV file; demo needs none")
    .requiredOption('--out <dir>', 'folder to write; it appears when it is complete')
    .option(...setOption('set an option of the data set, as data.* in a config'), collect);
  host.handle<{ source?: string; out: string; set?: string[] }>(prepare, async (context, given, [name]) => {
    const { source, out } = given;
    findDataset(name!);
    const options = readDataOptions(name!, given.set ?? []);
    throwIfInterrupted(context.io.signal);
    const { cwd } = context.io;
    const target = resolve(cwd, out);
    const parent = dirname(target);
    const made = await makeFolders(parent, 'choose another --out');
    const dataset = await prepareDataset(name!, {
      source: source === undefined ? undefined : resolve(cwd, source),
      out: target,
      options,
    }).catch(async (error) => {
      if (made !== undefined) await removeFolders(parent, made);
      throw error;
    });
    for (const warning of dataset.warnings) context.log.warn(`${name}: ${warning}`);
    const summary = { ...summarizeDataset(dataset), hash: dataset.hash };
    await context.emit(summary, () => describe(summary));
  });

  const rows = host
    .add(data, 'export', 'Print a split as JSON lines, with the ids of the source', [
      'data export --data data/ml-1m --split test > test.jsonl',
    ])
    .requiredOption('--data <dir>', "prepared folder, or the publisher's files")
    .requiredOption('--split <name>', 'split to print: train, valid or test');
  host.handle<{ data: string; split: string }>(rows, async (context, options) => {
    const split = parseSplitName(options.split);
    const dataset = await openDataFolder(options.data, context.io);
    let text = '';
    for (const row of exportSplit(dataset, split)) {
      text += `${terminalJson(row)}\n`;
      if (text.length < CHUNK) continue;
      await write(context.io.stdout, text);
      text = '';
      throwIfInterrupted(context.io.signal);
    }
    await write(context.io.stdout, text);
  });
}

function describe(summary: DatasetSummary): string {
  const rows = [['split', 'rows', 'positives', 'users', 'items', 'seen']];
  for (const [name, split] of Object.entries(summary.splits)) {
    rows.push([name, ...[split.rows, split.positives, split.users, split.items, split.seen].map(String)]);
  }
  return `${summary.dataset}: ${summary.users} users, ${summary.items} items\n${textTable(rows)}`;
}
