/** `crossgate generate`: text from a model. */

import { terminalText } from '@crossgate/core';
import { locateModel } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import { collect, write } from '@crossgate/terminal';
import { type Command, InvalidArgumentError } from 'commander';
import { type GenerateSettings, generateText } from '../language-model';
import { addProfileOptions, type ProfileChoice, withProfile } from '../profile';
import { surroundingsOf } from '../session';
import { controlOption, parseCount, precisionOption, weightsOption } from './options';

function parseTemperature(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value))
    throw new InvalidArgumentError('It must be a number from 0; 0 takes the likeliest token.');
  return value;
}

function parseShare(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('It must be a number above 0, at most 1.');
  return value;
}

function collectText(text: string, before: readonly string[] = []): string[] {
  if (text === '') throw new InvalidArgumentError('It must hold at least one character.');
  return collect(text, before);
}

interface GenerateOptions extends GenerateSettings, ProfileChoice {
  readonly model: string;
}

export function registerGenerate(program: Command, host: Host): void {
  const command = host
    .add(program, 'generate', 'Continue a text with a language model', [
      'generate --model stories260K --prompt "" --max-new-tokens 40',
      'generate --model model.gguf --prompt "Once upon a time" --temperature 0.8 --seed 7',
      'generate --model stories260K --prompt Once --profile generated',
    ])
    .requiredOption('--model <path>', 'model folder or GGUF file, or a name in CROSSGATE_MODELS')
    .requiredOption('--prompt <text>', 'text to continue; empty starts from the beginning-of-text token')
    .option('--max-new-tokens <n>', 'most tokens to generate', parseCount, 100)
    .option('--temperature <t>', '0 always takes the likeliest token; higher values vary more', parseTemperature, 0)
    .option('--top-k <n>', 'draw among this many likeliest tokens', parseCount)
    .option('--top-p <p>', 'draw among the likeliest tokens that together have this probability', parseShare)
    .option('--stop <text>', 'stop before this text (repeatable)', collectText)
    .option('--lora <dir>', 'PEFT folder, or run, whose LoRA adapter the model uses')
    .addOption(controlOption())
    .addOption(weightsOption())
    .addOption(precisionOption());
  addProfileOptions(command);
  const handler = withProfile<GenerateOptions>(async (context, options) => {
    const path = await locateModel(options.model, '--model', surroundingsOf(context.io));
    const { stdout } = context.io;
    // People see the text as it comes; what is left to print at the end is the line break.
    const result = await generateText(path, options, context, async (text) => {
      if (!context.options.json) await write(stdout, terminalText(text));
    });
    await context.emit(result, () => '\n');
  });
  host.handle<GenerateOptions>(command, handler);
}
