/** The prompts of `api-llm` with the right answers, as lines of JSON for fine-tuning. */
import { resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import type { SplitName } from '../config/schema';
import { runOnDisk } from '../runs/run-on-disk';
import { makeMessages, trainingLine } from './api-llm-prompts';
import { checkNeighbors, namesNeighbors, recommend, scoredPrompts, trainingPrompts } from './api-llm-rows';
import { loadCf } from './cf-model';
import type { RunnerContext } from './runner';

/** See `exportChats` of the package. */
export async function* chatLines(context: RunnerContext, split: SplitName): AsyncGenerator<string> {
  const { config, dataset, session } = context;
  const make = makeMessages(config, dataset, await neighborsOf(context));
  const rows = split === 'train' ? trainingPrompts(context, make) : scoredPrompts(context, split, make);
  if (rows.length === 0) throw new InputError(`${split} has no rows`, { code: 'data.empty', place: '--split' });
  for (const { messages, label } of rows) {
    session.signal.throwIfAborted();
    yield trainingLine(messages, label);
  }
}

/** What a finished CF run recommends; undefined for prompts that do not name it. */
async function neighborsOf(context: RunnerContext) {
  const { config, session } = context;
  if (!namesNeighbors(config)) return undefined;
  const { run } = config.cf;
  if (run === null) {
    throw new InputError('prompts that name neighbors need a finished CF run', {
      code: 'config.value',
      place: 'cf.run',
      fix: 'train one, and --set cf.run=RUN',
    });
  }
  await checkNeighbors(context);
  // checkNeighbors has refused two of them.
  const folder = resolve(session.cwd, run as string);
  return (await recommend(context, async () => loadCf(context, await session.device(), runOnDisk(folder)))).lists;
}
