// What a method is, as data: its prompts with the slots in them, and what each stage of each strategy updates.
import { InputError } from '@crossgate/core';

/** Which labels a method sees at prediction time (see the documentation of the results). */
export type InformationClass = 'T' | 'H' | 'P';

/** Names of the parameter groups: Θ_L, Θ_A with Θ_G, Θ_E, and vectors that are learned by themselves. */
export type GroupName = 'lora' | 'fusion' | 'cf' | 'learned';

export type TrainingStrategy = 'two-stage' | 'stage1-only' | 'end-to-end';

/** Losses of the answer, see `yesNoLoss` of `@crossgate/tensor`. */
export type LossName = 'eq5' | 'yes-logit-bce' | 'answer-ce';

/**
 * What fills a slot of a template.
 *
 * - `titles`: titles of the user's last positives, of the candidate, or of further items that are given (`neighbors`), each
 *   in double quotes. With `fused` their tokens carry the item's CF vector through the gate (CCF-LLM eq. 4).
 * - `vector`: one aligned CF vector, of the user or of the candidate.
 * - `learned`: so many vectors that belong to the slot alone and are trained by the group `learned`.
 */
export type Slot =
  | { readonly titles: 'history' | 'item' | 'neighbors'; readonly fused?: true }
  | { readonly vector: 'user' | 'item' }
  | { readonly learned: number };

/** Slots of a template by their names in braces. */
export type Slots = Readonly<Record<string, Slot>>;

/** One stage of a training. */
export interface StageDeclaration {
  /** `stage1` or `stage2`: which settings of the configuration apply. */
  readonly settings: 'stage1' | 'stage2';
  readonly trains: readonly GroupName[];
  /** Prompt of this stage, where it is not the method's. */
  readonly template?: string;
  /**
   * Which states the best one is chosen from: `carry` (default) also those of earlier stages, `own` of this stage alone. A
   * stage with another prompt than the one before has scores of another kind, and must choose its own.
   */
  readonly best?: 'own' | 'carry';
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
  /** Stages of every strategy that the method has; the first strategy is the default. */
  readonly strategies: Readonly<Partial<Record<TrainingStrategy, readonly StageDeclaration[]>>>;
  /** The loss it was published with: the default of `loss.name`. */
  readonly loss: LossName;
}

/** Whether a method needs a CF model: a slot of it holds vectors of users or items. */
export function usesCf({ slots }: Pick<Method, 'slots'>): boolean {
  return Object.values(slots).some((slot) => 'vector' in slot || ('titles' in slot && slot.fused === true));
}

/** How many learned vectors a method has, all slots together. */
export function learnedVectors(slots: Slots): number {
  return Object.values(slots).reduce((sum, slot) => sum + ('learned' in slot ? slot.learned : 0), 0);
}

/** The strategy of a method where none is chosen. */
export function defaultStrategy({ strategies }: Pick<Method, 'strategies'>): TrainingStrategy {
  return Object.keys(strategies)[0] as TrainingStrategy;
}

/**
 * The stages of a strategy, each with its prompt.
 * @param template in place of the method's, for stages without one of their own
 * @throws InputError for a strategy that the method lacks, with those it has; Error for a declaration in which a stage of
 * another prompt does not choose its own best state
 */
export function stagesOf(
  { name, strategies, template: own }: Pick<Method, 'name' | 'strategies' | 'template'>,
  strategy: TrainingStrategy,
  template: string = own,
): readonly (StageDeclaration & { readonly template: string })[] {
  const declared = strategies[strategy];
  if (!declared) {
    throw new InputError(`${name} cannot be trained ${strategy}`, {
      code: 'config.value',
      place: 'training.strategy',
      fix: `choose ${Object.keys(strategies).join(' or ')}`,
    });
  }
  const stages = declared.map((stage) => ({ ...stage, template: stage.template ?? template }));
  stages.forEach((stage, index) => {
    const other = index > 0 && stage.template !== stages[index - 1]!.template;
    if (other && stage.best !== 'own')
      throw new Error(`${name}: ${stage.settings} has another prompt; choose its own best`);
  });
  return stages;
}

/** Puts the noun into a template: `movies` gives "movies" for `{nouns}` and "movie" for `{noun}`. */
export function fillNoun(template: string, nouns: string): string {
  return template.replaceAll('{nouns}', nouns).replaceAll('{noun}', nouns.replace(/s$/, ''));
}
