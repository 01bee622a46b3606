/** What must be the same on all ranks of a job. */
import { join, resolve } from 'node:path';
import type { Dataset } from '@crossgate/data';
import { kindOf } from '@crossgate/files';
import type { ExperimentConfig } from '../config/schema';
import type { OpenRunner } from '../runners';
import type { FromRun } from '../runners/continued-run';
import { digestFile } from '../runs/digest-file';
import { flatten, MOVABLE } from '../runs/run-folder';
import { CF_FILE, cfFile } from '../runs/run-source';
import { version } from '../version';

/** What a training starts from. */
export interface Beginning {
  readonly config: ExperimentConfig;
  readonly dataset: Dataset;
  readonly from?: FromRun | undefined;
  /** Folder that a relative `cf.run` is of. */
  readonly cwd: string;
}

/** Files of the run that `--from` names which a training can start from; one that is not there is not read either. */
const START_FILES = [
  ...[cfFile(0), cfFile(1), 'fusion.safetensors'],
  ...['adapter/adapter_config.json', 'adapter/adapter_model.safetensors'],
];

/** Keys of the config, versions, and hashes of all that a training reads: data, language model, files of other runs. */
export async function factsOf(
  beginning: Beginning,
  provenance: OpenRunner['provenance'],
): Promise<Map<string, string>> {
  const { config, dataset, from } = beginning;
  const facts = new Map([
    ['the version of Crossgate', version],
    ['the hash of the data', dataset.hash],
    ['the hash of the model', String(provenance?.modelHash ?? 'none')],
  ]);
  if (from) facts.set(`the hash of the data of ${from.run} (--from)`, from.dataset.hash);
  for (const [key, value] of flatten(config as unknown as Record<string, unknown>)) {
    if (!MOVABLE.has(key)) facts.set(key, value);
  }
  for (const [name, path] of filesRead(beginning)) {
    if ((await kindOf(path)) === 'file') facts.set(`the hash of ${name}`, await digestFile(path));
  }
  return facts;
}

/** Files of other runs that a training reads: what messages call them, and absolute paths. */
function filesRead({ config, from, cwd }: Beginning): Map<string, string> {
  const files = new Map<string, string>();
  const { run } = config.cf;
  for (const named of run === null ? [] : [run].flat()) {
    // Of two runs, each brings its own keys of `cf`.
    for (const file of Array.isArray(run) ? ['config.yaml', CF_FILE] : [CF_FILE]) {
      files.set(`${file} of ${named} (cf.run)`, join(resolve(cwd, named), file));
    }
  }
  if (from) for (const file of START_FILES) files.set(`${file} of ${from.run} (--from)`, join(from.path, file));
  return files;
}
