/** `crossgate model quantize`: a model folder whose linear layers take 8 or 4 bits a value, embeddings and head 8. */

import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { locateModel } from '@crossgate/experiment';
import { checkOutFolder } from '@crossgate/files';
import type { Host } from '@crossgate/terminal';
import { type Command, Option } from 'commander';
import { openModelFiles } from '../language-model';
import { surroundingsOf } from '../session';
import { DTYPES } from './options';

const BITS = { int8: 8, int4: 4 } as const;

interface QuantizeOptions {
  readonly out: string;
  readonly to: keyof typeof BITS;
  readonly dtype?: keyof typeof DTYPES;
}

export function addModelQuantize(group: Command, host: Host): void {
  const command = host
    .add(
      group,
      'quantize <path>',
      'Write a model with linear layers in int8 or int4, and embeddings and head in int8',
      ['model quantize SmolLM2-135M --to int4 --out smollm2-int4'],
    )
    .requiredOption('--out <dir>', 'folder to write; it must be empty or not exist')
    .addOption(new Option('--to <type>', 'type of the linear layers').choices(Object.keys(BITS)).default('int8'))
    .addOption(
      new Option('--dtype <type>', 'type of norms and biases (default: that of the model)').choices(
        Object.keys(DTYPES),
      ),
    );
  host.handle<QuantizeOptions>(command, async (context, options, [name]) => {
    const path = await locateModel(name!, '<path>', surroundingsOf(context.io));
    await checkOutFolder(resolve(context.io.cwd, options.out));
    const [{ writeModelFolder }, { storedDtype }] = await Promise.all([
      import('@crossgate/llm/node'),
      import('@crossgate/llm'),
    ]);
    const files = await openModelFiles(path, context);
    try {
      const dtype = options.dtype === undefined ? storedDtype(files.source) : DTYPES[options.dtype];
      const { io, log, progress } = context;
      const out = resolve(io.cwd, options.out);
      const settings = { base: path, out, dtype, bits: BITS[options.to], label: 'quantizing' };
      const written = await writeModelFolder(files.source, settings, { log, progress, signal: io.signal });
      const { size } = await stat(join(out, 'model.safetensors'));
      const result = { path, out: options.out, weights: options.to, dtype, bytes: size, files: written };
      await context.emit(
        result,
        () =>
          `${options.out}: linear layers in ${options.to}, embeddings and head in int8, all else in ${dtype}, ${(size / 1e6).toFixed(1)} MB`,
      );
    } finally {
      await files.close();
    }
  });
}
