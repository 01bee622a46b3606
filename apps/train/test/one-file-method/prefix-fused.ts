// A method as somebody else would add it: this one file.
import type { Method } from '@crossgate/fusion/methods';

/** Learned vectors before a prompt whose candidate is fused with CF vectors; LoRA and the prefix first, then the fusion. */
export const prefixFused: Method = {
  name: 'prefix-fused',
  summary: 'a learned prefix beside LoRA on text, then the fusion of the candidate with CF vectors',
  information: 'H',
  template: '{prefix} {nouns}: {history}. User {user}, {item}? #Answer:',
  slots: {
    prefix: { learned: 2 },
    history: { titles: 'history' },
    user: { vector: 'user' },
    item: { titles: 'item', fused: true },
  },
  strategies: {
    'two-stage': [
      { settings: 'stage1', trains: ['lora', 'learned'], template: '{prefix} {nouns}: {history}. {item}? #Answer:' },
      { settings: 'stage2', trains: ['fusion'] },
    ],
  },
  loss: 'yes-logit-bce',
};
