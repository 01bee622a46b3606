/** `crossgate logits`: what the model says after a list of tokens. */

import { textTable } from '@crossgate/core';
import { locateModel, PRECISIONS } from '@crossgate/experiment';
import type { Precision } from '@crossgate/tensor';
import type { Host } from '@crossgate/terminal';
import { type Command, Option } from 'commander';
import { type DeviceSettings, lastLogits, parseTokens } from '../language-model';
import { surroundingsOf } from '../session';
import { precisionOption, weightsOption } from './options';

/** Logits shown to people. */
const SHOWN = 10;

export function registerLogits(program: Command, host: Host): void {
  const command = host
    .add(program, 'logits', 'Print the logits of the token that follows given tokens', [
      'logits --model stories260K --tokens 1,403,407 --json',
    ])
    .requiredOption('--model <path>', 'model folder or GGUF file, or a name in CROSSGATE_MODELS')
    .requiredOption('--tokens <ids>', 'token ids, separated by commas')
    .option('--lora <dir>', 'PEFT folder, or run, whose LoRA adapter the model uses')
    .addOption(weightsOption())
    .addOption(precisionOption())
    .addOption(new Option('--dtype <type>', 'another name of --precision').choices(PRECISIONS));
  type LogitsOptions = DeviceSettings & { model: string; tokens: string; dtype?: Precision };
  host.handle<LogitsOptions>(command, async (context, { dtype, ...options }) => {
    const tokens = parseTokens(options.tokens);
    const path = await locateModel(options.model, '--model', surroundingsOf(context.io));
    const logits = await lastLogits(path, tokens, context, { ...options, precision: dtype ?? options.precision });
    await context.emit({ logits: Array.from(logits) }, () => {
      const best = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!).slice(0, SHOWN);
      return textTable([['token', 'logit'], ...best.map((token) => [String(token), logits[token]!.toFixed(4)])]);
    });
  });
}
