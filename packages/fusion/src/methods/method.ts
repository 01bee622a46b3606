// What a method is: its prompt, whether it uses CF vectors, and what each training stage updates.
import type { GroupName } from '../model';

/** Which labels a method sees at prediction time (see the documentation of the results). */
export type InformationClass = 'T' | 'H' | 'P';

export type TrainingStrategy = 'two-stage' | 'stage1-only' | 'end-to-end';

export interface StageDeclaration {
  /** `stage1` or `stage2`: which settings of the configuration apply. */
  readonly settings: 'stage1' | 'stage2';
  readonly trains: readonly GroupName[];
}

/** A method is a declaration; the training loop is one for all. */
export interface Method {
  readonly name: string;
  /** One line for tables and help. */
  readonly summary: string;
  readonly information: InformationClass;
  /** Slots `{history}`, `{item}`, `{user}`; `NOUNS` and `NOUN` stand for what is recommended. */
  readonly template: string;
  /** Whether item slots carry CF vectors (and a CF model is needed). */
  readonly usesCf: boolean;
  readonly stages: (strategy: TrainingStrategy) => readonly StageDeclaration[];
}

/** Puts the noun into a template: `movies` gives "movies" and "movie". */
export function fillNoun(template: string, nouns: string): string {
  return template.replaceAll('NOUNS', nouns).replaceAll('NOUN', nouns.replace(/s$/, ''));
}
