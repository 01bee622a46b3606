// CoLLM (Zhang et al. 2023): LoRA on titles in words, then the mapping of CF vectors on a prompt that holds them.
import type { Method } from './method';
import { tallrec } from './tallrec';

/** The declaration of CoLLM. */
export const collm: Method = {
  name: 'collm',
  summary: 'CoLLM: LoRA on titles as text, then the mapping of one CF vector each of user and candidate',
  information: 'H',
  // The prompt of its second stage; "\n" is a written backslash and n.
  template:
    '#Question: A user has given high ratings to the following {nouns}: {history}. Additionally, we have information ' +
    "about the user's preferences encoded in the feature {user}. Using all available information, make a prediction " +
    'about whether the user would enjoy the {noun} titled {item} with the feature {itemVector}? Answer with "Yes" or ' +
    '"No". \\n#Answer:',
  slots: {
    history: { titles: 'history' },
    item: { titles: 'item' },
    user: { vector: 'user' },
    itemVector: { vector: 'item' },
  },
  strategies: {
    'two-stage': [
      { settings: 'stage1', trains: ['lora'], template: tallrec.template },
      { settings: 'stage2', trains: ['fusion'] },
    ],
  },
  loss: 'yes-logit-bce',
};
