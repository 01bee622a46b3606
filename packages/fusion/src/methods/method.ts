// What a method is, as data: its prompts with their slots, and what each stage of each strategy trains.
import { InputError } from '@crossgate/core';

/**
 * What a method may see when it scores a row. T: the train labels. H: also the user's earlier positives. P: also the
 * user's earlier negatives.
 */
export type InformationClass = 'T' | 'H' | 'P';

/**
 * Names of the parameter groups: `lora` (Θ_L), `fusion` (Θ_A and Θ_G), `cf` (Θ_E), and `learned`, vectors that belong
 * to slots.
 */
export type GroupName = 'lora' | 'fusion' | 'cf' | 'learned';

/** How training is divided into stages (CCF-LLM §3.4 and Table 4). */
export type TrainingStrategy = 'two-stage' | 'stage1-only' | 'end-to-end';

/**
 * Losses on the answer: `eq5` (CCF-LLM), `yes-logit-bce` (CoLLM), `answer-ce` (cross entropy of the answer token). See
 * `yesNoLoss` of `@crossgate/tensor`.
 */
export type LossName = 'eq5' | 'yes-logit-bce' | 'answer-ce';

/**
 * What fills a slot of a template.
 *
 * - `titles`: titles of the user's last positives (`history`), of the candidate (`item`), or of further items that are
 *   given (`neighbors`), each in double quotes. With `fused`, their tokens carry the item's CF vector through the gate
 *   (CCF-LLM eq. 4).
 * - `vector`: one aligned CF vector, of the user or of the candidate.
 * - `learned`: this many vectors that belong to the slot alone and are trained in the group `learned`.
 */
export type Slot =
  | { readonly titles: 'history' | 'item' | 'neighbors'; readonly fused?: true }
  | { readonly vector: 'user' | 'item' }
  | { readonly learned: number };

/** Slots of a template, by their names in braces. */
export type Slots = Readonly<Record<string, Slot>>;

/** One stage of a training. */
export interface StageDeclaration {
  /** Which settings of the configuration apply. */
  readonly settings: 'stage1' | 'stage2';
  /** The parameter groups that the stage trains; all others are frozen. */
  readonly trains: readonly GroupName[];
  /** Prompt of this stage, if it is not that of the method. */
  readonly template?: string;
  /**
   * Which states the best one is chosen from: `carry` (default) includes those of earlier stages, `own` only those of
   * this stage. A stage with a different prompt from the one before must choose `own`, since their scores cannot be
   * compared.
   */
  readonly best?: 'own' | 'carry';
}

/** A method, declared as data. All methods share one training loop. */
export interface Method {
  /** Its name in configurations, lower-case. */
  readonly name: string;
  /** One line for tables and help. */
  readonly summary: string;
  /** What it sees when it scores a row. */
  readonly information: InformationClass;
  /** Text with slots in braces. `{nouns}` and `{noun}` stand for the kind of items: see {@link fillNoun}. */
  readonly template: string;
  /** What fills each slot of its templates. */
  readonly slots: Slots;
  /** Stages of every strategy that the method has. The first strategy is the default. */
  readonly strategies: Readonly<Partial<Record<TrainingStrategy, readonly StageDeclaration[]>>>;
  /** The loss to use unless `loss.name` says otherwise. */
  readonly loss: LossName;
}

/** Whether a method needs a CF model: one of its slots holds vectors of users or items. */
export function usesCf({ slots }: Pick<Method, 'slots'>): boolean {
  return Object.values(slots).some((slot) => 'vector' in slot || ('titles' in slot && slot.fused === true));
}

/** Number of learned vectors of a method, all slots together. */
export function learnedVectors(slots: Slots): number {
  return Object.values(slots).reduce((sum, slot) => sum + ('learned' in slot ? slot.learned : 0), 0);
}

/** The strategy of a method when none is chosen: its first. */
export function defaultStrategy({ strategies }: Pick<Method, 'strategies'>): TrainingStrategy {
  return Object.keys(strategies)[0] as TrainingStrategy;
}

/**
 * The stages of a strategy, each with its prompt.
 *
 * @param template replaces the method's own, for stages without a prompt of their own.
 * @throws InputError for a strategy that the method lacks, listing those it has; Error for a faulty declaration, in
 * which a stage with a different prompt does not choose its own best state.
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
