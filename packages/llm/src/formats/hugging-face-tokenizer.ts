/** Builds a tokenizer from a Hugging Face folder: tokenizer.json and, where present, tokenizer_config.json. */
import { InputError } from '@crossgate/tensor';
import { createTokenizer, isJsonObject, type JsonObject, type Tokenizer } from '../tokenizer';
import { mergeRanksKey } from './gguf-tokenizer';
import { type ModelFolder, readJson } from './hugging-face';

/** The largest tokenizers of today take some 35 MB. */
const maxTokenizerBytes = 256 * 1024 * 1024;

/**
 * Opens the tokenizer of a model folder.
 * @param ids what the model's configuration says of special tokens; used where the tokenizer's own files are silent
 * @throws {InputError} when tokenizer.json is missing, malformed, or of a kind that is not supported.
 */
export async function tokenizerFromFolder(
  folder: ModelFolder,
  ids: { readonly bosTokenId?: number | null; readonly eosTokenIds?: readonly number[] } = {},
): Promise<Tokenizer> {
  const files = await folder.list();
  if (!files.includes('tokenizer.json')) {
    const hint = files.includes('tokenizer.model')
      ? '; convert tokenizer.model once in Python: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)'
      : '; copy tokenizer.json and tokenizer_config.json of the original model there';
    throw new InputError(`${folder.name}: there is no tokenizer.json${hint}.`);
  }
  const source = `${folder.name}/tokenizer.json`;
  const json = await readJson(folder, 'tokenizer.json', maxTokenizerBytes);
  if (!isJsonObject(json)) throw new InputError(`${source} must hold a JSON object.`);
  const config = files.includes('tokenizer_config.json') ? await readJson(folder, 'tokenizer_config.json') : {};
  if (!isJsonObject(config)) throw new InputError(`${folder.name}/tokenizer_config.json must hold a JSON object.`);
  const complete = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...json };
  const named = 'bos_token' in config;
  const mergeRanks = mergeRanksOf(json, config, `${folder.name}/tokenizer_config.json`);
  return createTokenizer({
    source,
    json: complete,
    config,
    ...(named || ids.bosTokenId === undefined ? {} : { bosTokenId: ids.bosTokenId }),
    ...(ids.eosTokenIds ? { eosTokenIds: ids.eosTokenIds } : {}),
    ...(typeof config.add_bos_token === 'boolean' ? { addsBos: config.add_bos_token } : {}),
    ...(mergeRanks ? { mergeRanks } : {}),
  });
}

/** What `tokenizerFilesFromGguf` has noted of equally good merges; undefined where it has not. */
function mergeRanksOf(json: JsonObject, config: JsonObject, source: string): readonly number[] | undefined {
  const ranks = config[mergeRanksKey];
  if (ranks === undefined) return undefined;
  const merges = isJsonObject(json.model) && Array.isArray(json.model.merges) ? json.model.merges.length : 0;
  if (Array.isArray(ranks) && ranks.length === merges && ranks.every(Number.isInteger)) return ranks;
  throw new InputError(
    `${source}: ${mergeRanksKey} must hold ${merges} whole numbers, one per merge of tokenizer.json.`,
  );
}
