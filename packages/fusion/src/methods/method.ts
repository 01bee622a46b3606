// What a method is, as data: its prompt with the slots in it, and what each stage of each strategy updates.
import { InputError } from '@crossgate/core';

/** Names of the parameter groups: Θ_L, Θ_A with Θ_G, Θ_E. */
export type GroupName = 'lora' | 'fusion' | 'cf';

/** Which labels a method sees at prediction time (see the documentation of the results). */
export type InformationClass = 'T' | 'H' | 'P';

export type TrainingStrategy = 'two-stage' | 'stage1-only' | 'end-to-end';

/**
 * What fills a slot of a template: titles of the user's last positives or of the candidate, each in double quotes, their
 * tokens fused with the item's CF vector where `fused` says so; or one vector of the user, aligned.
 */
export type Slot = { readonly titles: 'history' | 'item'; readonly fused?: true } | { readonly vector: 'user' };

/** Slots of a template by their names in braces. */
export type Slots = Readonly<Record<string, Slot>>;

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
  /** Text with slots in braces; `{nouns}` and `{noun}` stand for what is recommended. */
  readonly template: string;
  readonly slots: Slots;
  /** Stages of every strategy that the method has. */
  readonly strategies: Readonly<Partial<Record<TrainingStrategy, readonly StageDeclaration[]>>>;
}

/** Whether a method needs a CF model: a slot of it holds vectors. */
export function usesCf({ slots }: Pick<Method, 'slots'>): boolean {
  return Object.values(slots).some((slot) => 'vector' in slot || slot.fused === true);
}

/** The stages of a strategy. @throws InputError for one that the method lacks, with those it has */
export function stagesOf({ name, strategies }: Pick<Method, 'name' | 'strategies'>, strategy: TrainingStrategy) {
  const stages = strategies[strategy];
  if (stages) return stages;
  throw new InputError(
    `training.strategy: ${name} cannot be trained ${strategy}; choose ${Object.keys(strategies).join(' or ')}`,
  );
}

/** Puts the noun into a template: `movies` gives "movies" for `{nouns}` and "movie" for `{noun}`. */
export function fillNoun(template: string, nouns: string): string {
  return template.replaceAll('{nouns}', nouns).replaceAll('{noun}', nouns.replace(/s$/, ''));
}
