// The demo model's tokenizer: a token for every word of its language, single characters for all else.
import { article, phrases, words } from './words.mjs';

const special = ['<unk>', '<s>', '</s>'];

/** Structures of tokenizer.json and tokenizer_config.json, in the manner of SentencePiece: a space is written ▁. */
export function makeTokenizer() {
  const characters = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).slice(1);
  const starts = [article, ...words.map(({ word }) => word)];
  const pieces = [
    ...new Set([...special, '▁', ...characters, ...phrases, ...starts, ...starts.map((word) => `▁${word}`)]),
  ];
  // Every piece costs the same, so a text is split into as few as can be.
  const vocab = pieces.map((piece, id) => [piece, id < special.length ? 0 : -10]);
  const replace = (/** @type {string} */ from, /** @type {string} */ to) => ({
    type: 'Replace',
    pattern: { String: from },
    content: to,
  });
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace(' ', '▁')] },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [replace('▁', ' '), { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
    },
    model: { type: 'Unigram', unk_id: 0, vocab },
  };
  const settings = {
    add_bos_token: true,
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    tokenizer_class: 'LlamaTokenizer',
  };
  return { tokenizer, settings, vocabSize: pieces.length };
}
