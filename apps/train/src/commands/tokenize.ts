/** `crossgate tokenize`: the token ids of a text, as the model sees it. */

import { textTable } from '@crossgate/core';
import { locateModel } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';
import { tokenizeText } from '../language-model';
import { surroundingsOf } from '../session';
import { controlOption } from './options';

export function registerTokenize(program: Command, host: Host): void {
  const command = host
    .add(program, 'tokenize', 'Print the token ids of a text', [
      'tokenize --model stories260K --text "Once upon a time"',
    ])
    .requiredOption('--model <path>', 'model folder or GGUF file, or a name in CROSSGATE_MODELS')
    .requiredOption('--text <text>', 'text to split into tokens; control tokens that it spells are text')
    .option('--no-bos', 'leave out the beginning-of-text token')
    .addOption(controlOption());
  host.handle<{ model: string; text: string; bos: boolean; control?: boolean }>(command, async (context, options) => {
    const path = await locateModel(options.model, '--model', surroundingsOf(context.io));
    const { tokens, pieces } = await tokenizeText(path, options.text, options, context);
    await context.emit({ tokens, pieces }, () =>
      textTable([['token', 'piece'], ...tokens.map((token, index) => [String(token), JSON.stringify(pieces[index])])]),
    );
  });
}
