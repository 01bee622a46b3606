/** What the config of a run or of a command reads is never what the command writes. */
import { dirname, join, resolve } from 'node:path';
import { isServer } from '@crossgate/data';
import { type ExperimentConfig, loadConfig, readResult } from '@crossgate/experiment';
import { kindOf } from '@crossgate/files';
import { type CommandContext, refuseOverwriting } from '@crossgate/terminal';

/** @throws InputError where `--out` is the data or the language model that a config names */
export async function keepInputs({ io }: CommandContext, out: string, config: ExperimentConfig): Promise<void> {
  const { data, llm } = config;
  const inputs = [data.path, llm.path].filter((path) => path !== null);
  if (data.path !== null) {
    // Titles lie beside a file of events.
    const isFile = (await kindOf(resolve(io.cwd, data.path))) === 'file';
    const folder = isFile ? dirname(data.path) : data.path;
    const { interactions, items } = data.csv;
    inputs.push(...[interactions ?? [], items || 'items.csv'].flat().map((name) => join(folder, name)));
  }
  const { database } = data.sql;
  if (database !== null && !isServer(database)) inputs.push(join(data.path ?? '.', database));
  await refuseOverwriting(out, inputs, io.cwd);
}

/** The same of the config that a finished run keeps. @throws InputError for a path that is no complete run too */
export async function keepInputsOfRun(context: CommandContext, out: string, run: string): Promise<void> {
  const { cwd } = context.io;
  const path = resolve(cwd, run);
  await readResult(path);
  await keepInputs(context, out, await loadConfig(join(path, 'config.yaml'), { cwd }));
}
