// TALLRec (Bao et al., RecSys '23) with CoLLM's prompt: titles as text, only LoRA is trained.
import type { Method } from './method';

/** TALLRec with CoLLM's first-stage prompt: titles are plain text, and only LoRA is trained. */
export const tallrec: Method = {
  name: 'tallrec',
  summary: 'TALLRec: item titles as text, the LLM tuned by LoRA',
  information: 'H',
  // CoLLM's first-stage prompt; its "\n" is a written backslash and n.
  template:
    '#Question: A user has given high ratings to the following {nouns}: {history}. Leverage the information to predict ' +
    'whether the user would enjoy the {noun} titled {item}? Answer with "Yes" or "No". \\n#Answer:',
  slots: { history: { titles: 'history' }, item: { titles: 'item' } },
  strategies: { 'stage1-only': [{ settings: 'stage1', trains: ['lora'] }] },
  loss: 'yes-logit-bce',
};
