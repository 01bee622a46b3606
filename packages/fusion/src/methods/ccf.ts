// CCF-LLM (Liu et al., CIKM '24): hybrid prompt, aligned and gated CF vectors, two stages.
import type { Method } from './method';

export const ccf: Method = {
  name: 'ccf',
  summary: 'CCF-LLM: item titles fused with CF vectors by a gate, user as an aligned CF vector',
  information: 'H',
  // The template of §3.2, on one line.
  template:
    '#Question: A user has given high ratings to the following NOUNS: {history}. Additionally, we have information ' +
    "about the user's preferences encoded in the feature {user}. Using all available information, make a prediction " +
    'about whether the user would enjoy the NOUN {item}. Answer with "Yes" or "No". #Answer:',
  usesCf: true,
  stages: (strategy) => {
    if (strategy === 'end-to-end') return [{ settings: 'stage1', trains: ['lora', 'fusion', 'cf'] }];
    const first = { settings: 'stage1', trains: ['lora'] } as const;
    return strategy === 'stage1-only' ? [first] : [first, { settings: 'stage2', trains: ['fusion', 'cf'] }];
  },
};
