/** `crossgate api`: what goes to a closed language model, as a file. */

import { resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { exportChats, loadConfig, SPLIT_NAMES, type SplitName } from '@crossgate/experiment';
import { kindOf, writeAtomic } from '@crossgate/files';
import { collect, type Host } from '@crossgate/terminal';
import { type Command, Option } from 'commander';
import { sessionOf } from '../session';
import { keepInputs } from './keep-inputs';

interface ExportOptions {
  readonly out: string;
  readonly split: SplitName;
  readonly set?: readonly string[];
}

export function registerApi(program: Command, host: Host): void {
  const group = host.add(program, 'api', 'Prompts for language models behind an endpoint (api-llm)', [
    'api export configs/ml-1m/api-llm.yaml --out train.jsonl',
  ]);
  const command = host
    .add(group, 'export <config>', 'Write prompts with the right answers, one JSON line each, for fine-tuning', [
      'api export configs/ml-1m/api-llm.yaml --out train.jsonl --set training.stage1.rows=1000',
      'api export configs/ml-1m/api-llm.yaml --out test.jsonl --split test --set prompt.neighbors=true --set cf.run=runs/mf-1',
    ])
    .requiredOption('--out <file>', 'file to write')
    .addOption(new Option('--split <name>', 'which rows').choices(SPLIT_NAMES).default('train'))
    .option('--set <key=value>', 'change a key of the config, such as prompt.noun=books (repeatable)', collect);
  host.handle<ExportOptions>(command, async (context, { out, split, set = [] }, [path]) => {
    const { cwd } = context.io;
    const { seed } = context.options;
    const file = resolve(cwd, out);
    if ((await kindOf(file)) === 'folder')
      throw new InputError(`${out}: is a folder`, { code: 'file.kind', place: '--out', fix: 'name a file' });
    const config = await loadConfig(path!, { cwd, set, ...(seed !== undefined && { seed }) });
    await keepInputs(context, out, config);
    await using session = sessionOf(context);
    let rows = 0;
    await writeAtomic(
      file,
      (async function* () {
        for await (const line of exportChats(config, session, split)) {
          rows++;
          yield line;
        }
      })(),
    );
    await context.emit({ out, split, rows }, () => `${rows} rows of ${split}: ${out}`);
  });
}
