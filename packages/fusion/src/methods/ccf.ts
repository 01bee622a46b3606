// CCF-LLM (Liu et al., CIKM '24): hybrid prompt, aligned and gated CF vectors, two stages.
import type { Method } from './method';

/**
 * CCF-LLM with the template of §3.2. Titles of the history and of the candidate are fused with CF vectors (eq. 3 and
 * 4), the user is one aligned vector (eq. 2), and the loss is eq. 5. Strategies are those of Table 4: stage 1 trains
 * LoRA, stage 2 ALG, GATE and optionally ENC (§3.4).
 */
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
