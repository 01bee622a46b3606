/** What begins and ends a text: one rule for every kind of tokenizer, written down in docs/models.md. */
import { quoted } from '@crossgate/tensor';
import { isOff } from './key-reader';
import { isJsonObject, type JsonObject } from './tokenizer-structure';

/** What a vocabulary says of its tokens. */
export interface VocabularyView {
  /** The id of a piece, or undefined. */
  tokenToId(piece: string): number | undefined;
  /** The spelling of an id, or undefined where no token has it. */
  pieceOf(id: number): string | undefined;
  /** Whether an id is that of a token that stands for no text. */
  isSpecial(id: number): boolean;
}

/** What begins and ends a text. */
export interface SpecialTokens {
  /** Beginning-of-text id, or null where there is none. */
  readonly bosTokenId: number | null;
  /** Ids before every text of training; empty where the model was trained without. */
  readonly beginning: readonly number[];
  /** Ids that end a text. */
  readonly eosTokenIds: readonly number[];
  /** What contradicts one another, a sentence each. */
  readonly warnings: readonly string[];
}

/** The files that speak of special tokens. */
export interface SpecialTokenFiles {
  /** The structure of a tokenizer.json. */
  readonly json: JsonObject;
  /** tokenizer_config.json. */
  readonly config: JsonObject;
  /** config.json. */
  readonly model?: JsonObject;
  /** generation_config.json. */
  readonly generation?: JsonObject;
  /** What tokenizer.model says, where the tokenizer is read from that. */
  readonly sentencePiece?: { readonly bos: number | null; readonly eos: number | null };
}

/** The classes of Hugging Face that put the beginning by `add_bos_token`, whatever the post-processor does. */
const classesThatAdd = ['llamatokenizer', 'codellamatokenizer'];

/** Applies the rule. */
export function specialTokensOf(files: SpecialTokenFiles, vocabulary: VocabularyView): SpecialTokens {
  const { json, config, sentencePiece } = files;
  const warnings: string[] = [];
  const named = (key: 'bos_token' | 'eos_token') => {
    const value = isJsonObject(config[key]) ? config[key].content : config[key];
    if (value === null) return null;
    // Conversions of the first LLaMA have empty names: they name nothing.
    if (typeof value !== 'string' || value === '') return undefined;
    const id = vocabulary.tokenToId(value);
    if (id === undefined)
      warnings.push(
        `${key} of tokenizer_config.json is ${quoted(value)}, which the vocabulary lacks; it is passed over`,
      );
    return id;
  };
  const addsByClass = sentencePiece !== undefined || classesThatAdd.includes(classOf(files));
  const leading = leadingIds(json.post_processor, vocabulary);
  // Where the class is that of LLaMA, a name that is left out is that of LLaMA.
  const own = (id: number | null | undefined, piece: string) =>
    id ?? (addsByClass ? vocabulary.tokenToId(piece) : undefined);

  const namedBos = named('bos_token');
  const usual = namedBos === undefined ? own(sentencePiece?.bos ?? leading[0], '<s>') : namedBos;
  const adds = config.add_bos_token === undefined || !isOff(config.add_bos_token);
  const bosByClass = addsByClass && adds && typeof usual === 'number' ? [usual] : [];
  const beginning = addsByClass ? bosByClass : leading;
  const claimedBos = idsOf(files.model?.bos_token_id).find((id) => vocabulary.pieceOf(id) !== undefined);
  const bosTokenId = beginning[0] ?? (usual === undefined ? (claimedBos ?? null) : usual);
  for (const id of beginning.length === 1 ? idsOf(files.model?.bos_token_id) : []) {
    if (id === beginning[0]) continue;
    warnings.push(
      `bos_token_id ${said(id, vocabulary)} of config.json is passed over: texts begin with ${said(beginning[0]!, vocabulary)}`,
    );
  }

  const namedEos = named('eos_token');
  const end = namedEos === undefined ? own(sentencePiece?.eos, '</s>') : namedEos;
  const eosTokenIds = typeof end === 'number' ? [end] : [];
  const unknown = unknownId(json, vocabulary);
  for (const [file, claims] of [
    ['config.json', files.model],
    ['generation_config.json', files.generation],
  ] as const) {
    for (const id of idsOf(claims?.eos_token_id)) {
      if (eosTokenIds.includes(id)) continue;
      // An end beside the tokenizer's own is a token that stands for no text, such as the end of a turn of a chat.
      const contradicts = vocabulary.pieceOf(id) === undefined || id === bosTokenId || id === unknown;
      if (!contradicts && (typeof end !== 'number' || vocabulary.isSpecial(id))) {
        eosTokenIds.push(id);
        continue;
      }
      const instead =
        typeof end === 'number' ? `texts end with ${said(end, vocabulary)}` : 'it is no token that ends a text';
      warnings.push(`eos_token_id ${said(id, vocabulary)} of ${file} is passed over: ${instead}`);
    }
  }
  return { bosTokenId, beginning, eosTokenIds, warnings: [...new Set(warnings)] };
}

/**
 * The class that the files name, or else that of the architecture, in small letters: the first LLaMA folders spell it
 * `LLaMATokenizer`.
 */
function classOf({ config, model = {} }: SpecialTokenFiles): string {
  const named = config.tokenizer_class ?? model.tokenizer_class;
  const ofArchitecture = /^(llama|mistral)$/i.test(String(model.model_type)) ? 'llamatokenizer' : '';
  return String(named ?? ofArchitecture)
    .toLowerCase()
    .replace(/fast$/, '');
}

/** What a post-processor puts before a text. */
function leadingIds(step: unknown, vocabulary: VocabularyView): number[] {
  if (!isJsonObject(step)) return [];
  if (Array.isArray(step.processors)) return step.processors.flatMap((inner) => leadingIds(inner, vocabulary));
  if (step.type === 'BertProcessing' || step.type === 'RobertaProcessing') {
    const id = Array.isArray(step.cls) ? step.cls[1] : undefined;
    return typeof id === 'number' ? [id] : [];
  }
  if (step.type !== 'TemplateProcessing' || !Array.isArray(step.single)) return [];
  const tokens = isJsonObject(step.special_tokens) ? step.special_tokens : {};
  const text = step.single.findIndex((part) => isJsonObject(part) && isJsonObject(part.Sequence));
  return step.single.slice(0, text < 0 ? undefined : text).flatMap((part) => {
    const name = isJsonObject(part) && isJsonObject(part.SpecialToken) ? String(part.SpecialToken.id) : '';
    const token = tokens[name];
    const ids = isJsonObject(token) && Array.isArray(token.ids) ? token.ids : [vocabulary.tokenToId(name)];
    return ids.filter((id): id is number => typeof id === 'number' && vocabulary.pieceOf(id) !== undefined);
  });
}

function unknownId({ model }: JsonObject, vocabulary: VocabularyView): number | undefined {
  const { unk_token: token, unk_id: id } = isJsonObject(model) ? model : ({} as JsonObject);
  return typeof token === 'string' ? vocabulary.tokenToId(token) : typeof id === 'number' ? id : undefined;
}

/** Ids that a configuration gives as a number, a list, or not at all. */
function idsOf(value: unknown): number[] {
  return (Array.isArray(value) ? value : [value]).filter((id): id is number => Number.isInteger(id));
}

/** An id with its spelling. */
function said(id: number, { pieceOf }: VocabularyView): string {
  const piece = pieceOf(id);
  return `${id} (${piece === undefined ? 'no token' : quoted(piece)})`;
}
