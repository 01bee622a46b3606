// The language model on the template of CCF-LLM §3.2 in words alone (Table 2): as it is, or tuned by LoRA.
import type { Method } from './method';

const beginning = '#Question: A user has given high ratings to the following {nouns}: {history}. ';
const end =
  'Using all available information, make a prediction about whether the user would enjoy the {noun} {item}. Answer ' +
  'with "Yes" or "No". #Answer:';

const inWords = {
  information: 'H',
  template: beginning + end,
  // The sentence of the CF feature gives way to what CF recommends, in words.
  neighborsTemplate: `${beginning}Additionally, we have information that users like these {nouns} may also enjoy: {neighbors}. ${end}`,
  slots: { history: { titles: 'history' }, neighbors: { titles: 'neighbors' }, item: { titles: 'item' } },
  loss: 'answer-ce',
} as const satisfies Partial<Method>;

/** The declaration of the LLM tuned on the template in words. */
export const instruct: Method = {
  ...inWords,
  name: 'instruct',
  summary: 'The LLM tuned by LoRA on the template in words; prompt.neighbors also names what CF recommends',
  strategies: { 'stage1-only': [{ settings: 'stage1', trains: ['lora'] }] },
};

/** The declaration of the LLM as it is, on the template in words. */
export const zeroShot: Method = {
  ...inWords,
  name: 'zero-shot',
  summary: 'The LLM as it is on the template in words; prompt.neighbors also names what CF recommends',
  strategies: { untrained: [] },
};
