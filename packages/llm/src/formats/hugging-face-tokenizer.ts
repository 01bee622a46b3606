/**
 * Builds a tokenizer from a Hugging Face folder: tokenizer.json or tokenizer.model, and tokenizer_config.json if there
 * is one.
 */
import { InputError } from '@crossgate/tensor';
import { specialTokensOf } from '../special-tokens';
import {
  createTokenizer,
  isJsonObject,
  type JsonObject,
  type Tokenizer,
  type TokenizerDescription,
} from '../tokenizer';
import { mergeRanksKey, sentencePieceSteps } from './gguf-tokenizer';
import { type ModelFolder, readJson } from './hugging-face';
import { orDescribed } from './recognize';
import { parseSentencePiece, type SentencePieceModel } from './sentencepiece';

/** The largest tokenizers today take about 35 MB. */
const maxTokenizerBytes = 256 * 1024 * 1024;

/**
 * Opens the tokenizer of a model folder: tokenizer.json, or where there is none tokenizer.model. What begins and ends a
 * text is read from tokenizer_config.json, config.json and generation_config.json too, where they are there.
 * @throws {InputError} when both are missing, and for one that is malformed or of a kind that is not supported.
 */
export async function tokenizerFromFolder(folder: ModelFolder): Promise<Tokenizer> {
  const files = await folder.list();
  const optional = async (file: string): Promise<JsonObject> => {
    const json = files.includes(file) ? await readJson(folder, file) : {};
    if (isJsonObject(json)) return json;
    throw new InputError(`${folder.name}/${file} must hold a JSON object.`, { code: 'tokenizer.invalid' });
  };
  const settings = await optional('tokenizer_config.json');
  // Folders from before added_tokens_decoder keep the names of special tokens in a file of their own.
  const config = settings.added_tokens_decoder
    ? settings
    : { ...settings, ...(await optional('special_tokens_map.json')) };
  const [model, generation] = [await optional('config.json'), await optional('generation_config.json')];
  const own = files.includes('tokenizer.json')
    ? await describeJson(folder, config)
    : files.includes('tokenizer.model')
      ? await describeModel(folder, config)
      : refuse(folder);
  const { sentencePiece, ...description } = own;
  const claims = { json: own.json, config, model, generation, ...(sentencePiece && { sentencePiece }) };
  const rows = model.vocab_size;
  return createTokenizer({
    ...description,
    config,
    special: (vocabulary) => specialTokensOf(claims, vocabulary),
    ...(typeof rows === 'number' && { rows }),
  });
}

/** What a tokenizer is read from. */
interface Described extends Pick<TokenizerDescription, 'source' | 'json' | 'mergeRanks'> {
  readonly sentencePiece?: Pick<SentencePieceModel, 'bos' | 'eos'>;
}

function refuse(folder: ModelFolder): never {
  throw new InputError('there is no tokenizer.json', {
    code: 'tokenizer.missing',
    place: folder.name,
    fix: 'copy tokenizer.json and tokenizer_config.json of the original model there.',
  });
}

async function describeJson(folder: ModelFolder, config: JsonObject): Promise<Described> {
  const source = `${folder.name}/tokenizer.json`;
  const json = await readJson(folder, 'tokenizer.json', maxTokenizerBytes);
  if (!isJsonObject(json)) throw new InputError(`${source} must hold a JSON object.`, { code: 'tokenizer.invalid' });
  const complete = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...json };
  const mergeRanks = mergeRanksOf(json, config, `${folder.name}/tokenizer_config.json`);
  return { source, json: complete, ...(mergeRanks && { mergeRanks }) };
}

/** SentencePiece's own file, as Vicuna comes with it, and the tokens that were added beside it. */
async function describeModel(folder: ModelFolder, config: JsonObject): Promise<Described> {
  const file = await folder.open('tokenizer.model');
  const source = file.name;
  try {
    if (file.size > maxTokenizerBytes)
      throw new InputError(`${file.size} bytes are too many for a tokenizer.`, {
        code: 'tokenizer.invalid',
        place: source,
      });
    const model = await orDescribed(file, async () => parseSentencePiece(await file.read(0, file.size), source));
    const { json, mergeRanks } = sentencePieceSteps(model);
    const known = new Set(json.added_tokens.map(({ id }) => id));
    const more = (await addedTokens(folder, config)).filter(({ id }) => !known.has(id)).sort((a, b) => a.id - b.id);
    return {
      source,
      json: { ...json, added_tokens: [...json.added_tokens, ...more] },
      mergeRanks,
      sentencePiece: model,
    };
  } finally {
    await file.close();
  }
}

/** Tokens beside those of tokenizer.model, by tokenizer_config.json or, in older models, added_tokens.json. */
async function addedTokens(folder: ModelFolder, { added_tokens_decoder: decoder }: JsonObject) {
  const token = (id: number, entry: JsonObject) => {
    return { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...entry, id };
  };
  if (isJsonObject(decoder)) {
    return Object.entries(decoder).map(([id, entry]) => token(Number(id), isJsonObject(entry) ? entry : {}));
  }
  if (!(await folder.list()).includes('added_tokens.json')) return [];
  const added = await readJson(folder, 'added_tokens.json');
  return Object.entries(isJsonObject(added) ? added : {}).map(([content, id]) => token(Number(id), { content }));
}

/** Ranks of equally good merges, if `tokenizerFilesFromGguf` wrote them; else undefined. */
function mergeRanksOf(json: JsonObject, config: JsonObject, source: string): readonly number[] | undefined {
  const ranks = config[mergeRanksKey];
  if (ranks === undefined) return undefined;
  const merges = isJsonObject(json.model) && Array.isArray(json.model.merges) ? json.model.merges.length : 0;
  if (Array.isArray(ranks) && ranks.length === merges && ranks.every(Number.isInteger)) return ranks;
  throw new InputError(`${mergeRanksKey} must hold ${merges} whole numbers, one per merge of tokenizer.json.`, {
    code: 'tokenizer.invalid',
    place: source,
  });
}
