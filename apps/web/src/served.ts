/** The files of a run and of its language model that the page needs, and where they lie on this machine. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { loadConfig, locateModel, readResult } from '@crossgate/experiment';
import { needsModel } from '@crossgate/experiment/live';
import { usualFiles } from '@crossgate/llm';
import { findModel, modelFiles } from '@crossgate/llm/node';

/** A folder that the page is given: its name there, and its files by their paths in it. */
export interface ServedFolder {
  readonly name: string;
  /** Path in the folder → absolute path. */
  readonly files: ReadonlyMap<string, string>;
}

/** What the server shows besides the page. */
export interface Served {
  readonly run: ServedFolder;
  /** Null for a run without a language model. */
  readonly model: ServedFolder | null;
}

/** Of a run, what it takes to answer: neither its predictions nor its checkpoints. */
const runFiles = [
  ...['config.yaml', 'result.json', 'data.gz', 'cf.safetensors', 'cf-2.safetensors', 'fusion.safetensors'],
  ...['adapter/adapter_config.json', 'adapter/adapter_model.safetensors'],
];

const isFile = async (path: string) => (await stat(path).catch(() => null))?.isFile() === true;

/**
 * Finds the files of a finished run and of its language model.
 * @param run path of the run folder, relative to `cwd`
 * @param model path of the language model; default: what the run's config names
 * @throws InputError for what is no complete run, and for a model that is not found
 */
export async function findServed(run: string, model: string | undefined, cwd = process.cwd()): Promise<Served> {
  const path = resolve(cwd, run);
  await readResult(path);
  const config = await loadConfig(join(path, 'config.yaml'), { cwd });
  const names = await existing(path, runFiles);
  if (!names.has('data.gz')) {
    throw new InputError('keeps no copy of its data (data.gz)', {
      code: 'run.damaged',
      place: run,
      fix: 'train it again with a current version',
    });
  }
  const served = { name: join(basename(dirname(path)), basename(path)).replaceAll('\\', '/'), files: names };
  if (!needsModel(config)) return { run: served, model: null };
  const surroundings = { cwd, env: process.env, program: dirname(process.argv[1] ?? cwd) };
  const place =
    model === undefined ? await locateModel(config.llm.path!, 'llm.path', surroundings) : resolve(cwd, model);
  const found = await findModel(place);
  const folder = (await isFile(found)) ? dirname(found) : found;
  const weights = await modelFiles(found);
  const files = new Map(weights.map((file) => [basename(file), file]));
  const isGguf = weights.some((file) => file.endsWith('.gguf'));
  if (!isGguf) for (const [name, file] of await existing(folder, usualFiles)) files.set(name, file);
  return { run: served, model: { name: basename(place), files } };
}

async function existing(folder: string, names: readonly string[]): Promise<Map<string, string>> {
  const there = await Promise.all(names.map((name) => isFile(join(folder, name))));
  return new Map(names.flatMap((name, at) => (there[at] ? [[name, join(folder, name)]] : [])));
}
