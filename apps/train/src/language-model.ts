/** What `generate`, `logits` and `tokenize` need of a language model: files, checks, and the seam to the GPU. */

import { resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { locateAdapter } from '@crossgate/experiment';
import type { LlamaConfig, PeftAdapter, Tokenizer, WeightStorage } from '@crossgate/llm';
import type { OpenModel } from '@crossgate/llm/node';
import type { Precision } from '@crossgate/tensor';
import type { CommandContext } from '@crossgate/terminal';
import { openRunnableModel } from './runnable-model';

/**
 * Opens a model, and tells the user what its files say that is read otherwise than one might expect.
 * @throws InputError naming the file and what is wrong with it
 */
export async function openModelFiles(path: string, { log }: Pick<CommandContext, 'log'>): Promise<OpenModel> {
  // Loaded when used, so that commands without a model start without the tokenizer library.
  const { openModel } = await import('@crossgate/llm/node');
  const files = await openModel(path);
  for (const warning of files.source.warnings) log.warn(warning);
  return files;
}

/**
 * Reads an adapter for a model, and tells the user what became of its tensors.
 * @throws InputError naming the file and what does not fit
 */
export async function openAdapterFiles(
  folder: string,
  { config }: OpenModel,
  { log }: Pick<CommandContext, 'log'>,
): Promise<PeftAdapter> {
  const { openAdapter } = await import('@crossgate/llm/node');
  const adapter = await openAdapter(folder, config);
  for (const warning of adapter.warnings) log.warn(warning);
  return adapter;
}

/**
 * Reads `--tokens 1,2,3`.
 * @throws InputError for an empty list and for anything that is not a whole number ≥ 0
 */
export function parseTokens(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim());
  return parts.map((part) => {
    if (!/^\d{1,9}$/.test(part)) {
      throw new InputError(`${JSON.stringify(part)} is not a token id`, {
        code: 'usage',
        place: '--tokens',
        fix: 'give whole numbers, such as 1,2,3',
      });
    }
    return Number(part);
  });
}

/** What bounds a list of tokens. */
export type TokenLimits = Pick<LlamaConfig, 'vocabSize' | 'maxPositions' | 'ropeScaling'>;

/**
 * Checks token ids against a model.
 * @param key the option that messages name
 * @throws InputError for ids outside the vocabulary and for more tokens than the model has positions
 */
export async function checkTokens(tokens: readonly number[], limits: TokenLimits, key = '--tokens'): Promise<void> {
  const outside = tokens.find((token) => token >= limits.vocabSize);
  if (outside !== undefined) {
    throw new InputError(
      `${outside} is outside the vocabulary of ${limits.vocabSize} tokens; ids run from 0 to ${limits.vocabSize - 1}`,
      { code: 'tokenizer.token', place: key },
    );
  }
  const { contextOf, contextWords } = await import('@crossgate/llm');
  if (tokens.length > contextOf(limits)) {
    throw new InputError(`${tokens.length} tokens exceed ${contextWords(limits)}`, {
      code: 'prompt.too-long',
      place: key,
    });
  }
}

/** The adapter that `--lora` names: a PEFT folder or a run. */
async function adapterOf(lora: string | undefined, files: OpenModel, context: CommandContext) {
  if (lora === undefined) return undefined;
  const adapter = await openAdapterFiles((await locateAdapter(resolve(context.io.cwd, lora))).folder, files, context);
  const { applied, unused } = adapter.tensors;
  context.log.info(`${lora}: ${applied.length} tensors applied, none missing, ${unused.length || 'none'} unused`);
  return adapter;
}

/** How a model is put on the device. */
export interface DeviceSettings {
  /** PEFT folder or run whose adapter is put on the model. */
  readonly lora?: string;
  readonly weights: WeightStorage;
  readonly precision: Precision;
}

/**
 * Logits of the last position.
 * @returns one f32 per token of the vocabulary
 * @throws InputError for tokens that do not fit the model; NoAdapterError without a GPU
 */
export async function lastLogits(
  path: string,
  tokens: readonly number[],
  context: CommandContext,
  settings: DeviceSettings,
): Promise<Float32Array> {
  const files = await openModelFiles(path, context);
  try {
    await checkTokens(tokens, files.config);
    const model = await openRunnableModel(files, context, await adapterOf(settings.lora, files, context), settings);
    try {
      return await model.lastLogits(tokens);
    } finally {
      await model.close();
    }
  } finally {
    await files.close();
  }
}

/** Says what the files of a model contradict one another in, and what was made of it. */
function tellWarnings({ warnings = [] }: { readonly warnings?: readonly string[] }, { log }: CommandContext): void {
  for (const warning of warnings) log.warn(warning);
}

/** How a text becomes tokens. */
export interface EncodingSettings {
  /** Control tokens that the text spells are read as tokens. */
  readonly control?: boolean;
}

/** Says once that what looks like a control token is text, and how it would be none. */
function tellSpelled(tokenizer: Tokenizer, text: string, { control }: EncodingSettings, { log }: CommandContext): void {
  const spelled = control ? [] : [...new Set(tokenizer.controlTokensIn(text))];
  if (spelled.length === 0) return;
  log.warn(`the text spells ${spelled.join(', ')}, which stays text; --control reads control tokens`);
}

/**
 * Token ids of a text and how they are spelled, as a prompt begins with them. Weights are not needed.
 * @param bos begin with the beginning-of-text token where the model was trained with one
 */
export async function tokenizeText(
  path: string,
  text: string,
  { bos, control = false }: EncodingSettings & { readonly bos: boolean },
  context: CommandContext,
): Promise<{ tokens: number[]; pieces: string[] }> {
  const { openTokenizer } = await import('@crossgate/llm/node');
  const tokenizer = await openTokenizer(path);
  tellWarnings(tokenizer, context);
  tellSpelled(tokenizer, text, { control }, context);
  const tokens = tokenizer.encode(text, { bos: bos && tokenizer.addsBos, control });
  return { tokens, pieces: tokenizer.pieces(tokens) };
}

/** How to generate. */
export interface GenerateSettings extends DeviceSettings, EncodingSettings {
  readonly prompt: string;
  readonly maxNewTokens: number;
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  /** Draws among this many likeliest tokens. */
  readonly topK?: number;
  /** Draws among the likeliest tokens that together have this probability. */
  readonly topP?: number;
  /** Texts that end the generation. */
  readonly stop?: readonly string[];
}

/**
 * Continues a text. An empty prompt starts from the beginning-of-text token.
 * @param onText called with each piece of text as it comes
 * @returns the generated tokens and their text, without the prompt
 * @throws InputError when the prompt fills the context; NoAdapterError without a GPU
 */
export async function generateText(
  path: string,
  settings: GenerateSettings,
  context: CommandContext,
  onText: (text: string) => Promise<void> = async () => {},
): Promise<{ text: string; tokens: number[] }> {
  const files = await openModelFiles(path, context);
  try {
    const tokenizer = await files.tokenizer();
    tellWarnings(tokenizer, context);
    tellSpelled(tokenizer, settings.prompt, settings, context);
    const { contextOf, contextWords, encodePrompt } = await import('@crossgate/llm');
    const prompt = encodePrompt(tokenizer, settings.prompt, settings.control);
    await checkTokens(prompt, files.config, '--prompt');
    const room = contextOf(files.config) - prompt.length;
    if (room === 0) {
      throw new InputError(`its ${prompt.length} tokens fill ${contextWords(files.config)}`, {
        code: 'prompt.too-long',
        place: '--prompt',
        fix: 'give a shorter text',
      });
    }
    const model = await openRunnableModel(files, context, await adapterOf(settings.lora, files, context), settings);
    try {
      const { maxNewTokens, temperature, topK, topP, stop } = settings;
      const pieces = model.generateText(tokenizer, prompt, {
        ...{ maxNewTokens, temperature, seed: context.options.seed ?? 1, signal: context.io.signal },
        ...(topK !== undefined && { topK }),
        ...(topP !== undefined && { topP }),
        ...(stop !== undefined && { stop }),
      });
      let text = '';
      for (;;) {
        const { value, done } = await pieces.next();
        if (done) {
          if (value.length === room && room < maxNewTokens) {
            context.log.warn(`the text ends here because it fills ${contextWords(files.config)}`);
          }
          return { text, tokens: value };
        }
        text += value;
        await onText(value);
      }
    } finally {
      await model.close();
    }
  } finally {
    await files.close();
  }
}
