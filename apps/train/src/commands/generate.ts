/** `crossgate generate`: text from a model. */
import { type Command, InvalidArgumentError } from 'commander';
import { type GenerateSettings, generateText } from '../language-model';
import { locateModel } from '../locate';
import type { Host } from './host';
import { weightsOption } from './options';

function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= 1e6)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
}

function parseTemperature(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value))
    throw new InvalidArgumentError('It must be a number from 0; 0 takes the likeliest token.');
  return value;
}

interface GenerateOptions extends GenerateSettings {
  readonly model: string;
}

export function registerGenerate(program: Command, host: Host): void {
  const command = host
    .add(program, 'generate', 'Continue a text with a model', [
      'generate --model stories260K --prompt "" --max-new-tokens 40',
      'generate --model model.gguf --prompt "Once upon a time" --temperature 0.8 --seed 7',
    ])
    .requiredOption('--model <path>', 'model folder or GGUF file, or a name in CROSSGATE_MODELS')
    .requiredOption('--prompt <text>', 'text to continue; empty starts from the beginning-of-text token')
    .option('--max-new-tokens <n>', 'most tokens to generate', parseCount, 100)
    .option('--temperature <t>', '0: always the likeliest token; higher: more varied', parseTemperature, 0)
    .option('--lora <dir>', 'PEFT folder or run whose adapter is put on the model')
    .addOption(weightsOption());
  host.handle<GenerateOptions>(command, async (context, options) => {
    const path = await locateModel(options.model, '--model', context.io);
    const result = await generateText(path, options, context);
    await context.emit(result, () => result.text);
  });
}
