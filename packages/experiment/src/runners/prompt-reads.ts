import type { PromptOptions } from '@crossgate/fusion';

/** What a prompt holds of a person. */
export function promptReads({
  template,
  slots,
  historyLength,
}: Pick<PromptOptions, 'template' | 'slots' | 'historyLength'>) {
  const used = Object.entries(slots).flatMap(([slot, filled]) => (template.includes(`{${slot}}`) ? [filled] : []));
  return {
    /** Titles of likes. */
    history: historyLength > 0 && used.some((slot) => 'titles' in slot && slot.titles === 'history'),
    /** What a CF model makes of the person: a vector, or items that it recommends. */
    cf: used.some(
      (slot) => ('vector' in slot && slot.vector === 'user') || ('titles' in slot && slot.titles === 'neighbors'),
    ),
  };
}
