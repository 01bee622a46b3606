/** `crossgate adapter`: what LoRA learned, as a PEFT folder or merged into the model. */

import { resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { locateAdapter, locateModel } from '@crossgate/experiment';
import { checkOutFolder, writeFolder } from '@crossgate/files';
import type { PeftAdapter } from '@crossgate/llm';
import type { OpenModel } from '@crossgate/llm/node';
import type { CommandContext, Host } from '@crossgate/terminal';
import { type Command, Option } from 'commander';
import { openAdapterFiles, openModelFiles } from '../language-model';
import { surroundingsOf } from '../session';
import { DTYPES } from './options';

interface AdapterOptions {
  readonly out: string;
  readonly model?: string;
}

interface Opened {
  readonly adapter: PeftAdapter;
  readonly files: OpenModel;
  /** Absolute path of the base model. */
  readonly base: string;
  /** The base model as the user named it. */
  readonly baseName: string;
}

/** Opens an adapter and the model it is for; calls `use`, and closes the model's files. */
async function withAdapter<T>(
  run: string,
  options: AdapterOptions,
  context: CommandContext,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const place = await locateAdapter(resolve(context.io.cwd, run));
  const baseName = options.model ?? place.model;
  if (baseName === null)
    throw new InputError('is not a run, so the model is not known', {
      code: 'run.not-found',
      place: run,
      fix: 'give it with --model',
    });
  await checkOutFolder(resolve(context.io.cwd, options.out));
  const base = await locateModel(
    baseName,
    options.model === undefined ? 'llm.path' : '--model',
    surroundingsOf(context.io),
  );
  const files = await openModelFiles(base, context);
  try {
    return await use({ adapter: await openAdapterFiles(place.folder, files, context), files, base, baseName });
  } finally {
    await files.close();
  }
}

/** What became of an adapter's tensors; missing ones are refused. */
function countsOf({ tensors: { applied, unused } }: PeftAdapter) {
  return { applied: applied.length, missing: 0, unused: unused.length };
}

export function registerAdapter(program: Command, host: Host): void {
  const group = host.add(program, 'adapter', 'Export the LoRA adapter of a run, or merge it into its model', [
    'adapter export runs/ccf-1 --out my-adapter',
    'adapter merge runs/ccf-1 --out merged',
  ]);
  const common = (command: Command) =>
    command
      .requiredOption('--out <dir>', 'folder to write; it must be empty or not exist')
      .option('--model <path>', "base model (default: that of the run's config)");

  const exported = common(
    host.add(group, 'export <run>', "Write a run's adapter as a folder for Hugging Face's peft", [
      'adapter export runs/ccf-1 --out my-adapter',
    ]),
  ).option('--base-model <name>', 'name of the base model in adapter_config.json (default: that of the run)');
  host.handle<AdapterOptions & { baseModel?: string }>(exported, async (context, options, [run]) => {
    const { encodePeftAdapter } = await import('@crossgate/llm');
    await withAdapter(run!, options, context, async ({ adapter, baseName }) => {
      const baseModel = options.baseModel ?? adapter.baseModel ?? baseName;
      const files = encodePeftAdapter({ ...adapter, baseModel });
      await writeFolder(resolve(context.io.cwd, options.out), files);
      const { rank, alpha, targets } = adapter.options;
      const tensors = countsOf(adapter);
      const result = {
        run,
        out: options.out,
        baseModel,
        rank,
        alpha,
        layers: targets.length,
        adapterTensors: tensors,
        files: [...files.keys()],
      };
      await context.emit(
        result,
        () =>
          `${options.out}: LoRA of rank ${rank} on ${targets.length} layers of ${baseModel}; ` +
          `${tensors.applied} tensors, none missing, ${tensors.unused || 'none'} unused`,
      );
    });
  });

  const merged = common(
    host.add(group, 'merge <run>', "Write a run's model with its adapter merged in, as a Hugging Face folder", [
      'adapter merge runs/ccf-1 --out merged',
      'adapter merge my-adapter --model stories260K --out merged --dtype f32',
    ]),
  ).addOption(
    new Option(
      '--dtype <type>',
      'type of the weights (default: that of the base model; f16 if it is quantized)',
    ).choices(Object.keys(DTYPES)),
  );
  host.handle<AdapterOptions & { dtype?: keyof typeof DTYPES }>(merged, async (context, options, [run]) => {
    const [{ mergedWeights, widenedDtype }, { writeModelFolder }] = await Promise.all([
      import('@crossgate/llm'),
      import('@crossgate/llm/node'),
    ]);
    await withAdapter(run!, options, context, async ({ adapter, files, base }) => {
      const dtype = options.dtype === undefined ? widenedDtype(files.source) : DTYPES[options.dtype];
      const source = mergedWeights(files.source, adapter);
      const { io, log, progress } = context;
      const settings = { base, out: resolve(io.cwd, options.out), dtype, label: 'merging' };
      const written = await writeModelFolder(source, settings, { log, progress, signal: io.signal });
      const result = {
        run,
        out: options.out,
        dtype,
        tensors: source.tensors.size,
        adapterTensors: countsOf(adapter),
        files: written,
      };
      await context.emit(result, () => {
        const { applied, unused } = result.adapterTensors;
        return `${options.out}: ${source.tensors.size} tensors in ${dtype}; ${applied} of the adapter applied, none missing, ${unused || 'none'} unused`;
      });
    });
  });
}
