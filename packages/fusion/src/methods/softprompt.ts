// Softprompt, as CoLLM's authors compare with it: one learned vector for each kind of slot, trained beside LoRA.
import type { Method } from './method';

/** The declaration of Softprompt. */
export const softprompt: Method = {
  name: 'softprompt',
  summary: 'Softprompt: titles as text, one learned vector for users and one for candidates, beside LoRA',
  information: 'H',
  // "\n" is a written backslash and n.
  template:
    '#Question: {user} {history} [SEP] {itemVector} {item} [SEP] Using all available information, make a prediction ' +
    'about whether the user would enjoy the {noun}? Answer with "Yes" or "No". \\n#Answer:',
  slots: {
    user: { learned: 1 },
    history: { titles: 'history' },
    itemVector: { learned: 1 },
    item: { titles: 'item' },
  },
  strategies: { 'stage1-only': [{ settings: 'stage1', trains: ['lora', 'learned'] }] },
  loss: 'yes-logit-bce',
};
