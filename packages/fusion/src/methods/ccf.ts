// CCF-LLM (Liu et al., CIKM '24): hybrid prompt, aligned and gated CF vectors, two stages.
import type { Method } from './method';

export const ccf: Method = {
  name: 'ccf',
  summary: 'CCF-LLM: item titles fused with CF vectors by a gate, user as an aligned CF vector',
  information: 'H',
  // The template of §3.2, on one line.
  template:
    '#Question: A user has given high ratings to the following {nouns}: {history}. Additionally, we have information ' +
    "about the user's preferences encoded in the feature {user}. Using all available information, make a prediction " +
    'about whether the user would enjoy the {noun} {item}. Answer with "Yes" or "No". #Answer:',
  slots: {
    history: { titles: 'history', fused: true },
    item: { titles: 'item', fused: true },
    user: { vector: 'user' },
  },
  strategies: {
    'two-stage': [
      { settings: 'stage1', trains: ['lora'] },
      { settings: 'stage2', trains: ['fusion', 'cf'] },
    ],
    'stage1-only': [{ settings: 'stage1', trains: ['lora'] }],
    'end-to-end': [{ settings: 'stage1', trains: ['lora', 'fusion', 'cf'] }],
  },
  loss: 'eq5',
};
