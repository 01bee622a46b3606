/** `crossgate tokenize`: the token ids of a text, as the model sees it. */

import { textTable } from '@crossgate/core';
import { locateModel } from '@crossgate/experiment';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';
import { tokenizeText } from '../language-model';
import { surroundingsOf } from '../session';

export function registerTokenize(program: Command, host: Host): void {
  const command = host
    .add(program, 'tokenize', 'Print the token ids of a text', [
      'tokenize --model stories260K --text "Once upon a time"',
    ])
    .requiredOption('--model <path>', 'model folder or GGUF file, or a name in CROSSGATE_MODELS')
    .requiredOption('--text <text>', 'text to split into tokens')
    .option('--no-bos', 'leave out the beginning-of-text token');
  host.handle<{ model: string; text: string; bos: boolean }>(command, async (context, options) => {
    const path = await locateModel(options.model, '--model', surroundingsOf(context.io));
    const { tokens, pieces } = await tokenizeText(path, options.text, options.bos);
    await context.emit({ tokens, pieces }, () =>
      textTable([['token', 'piece'], ...tokens.map((token, index) => [String(token), JSON.stringify(pieces[index])])]),
    );
  });
}
