// What a method is, as data: its prompts with their slots, and what each stage of each strategy trains.
import type { InformationClass } from '@crossgate/cf';
import { InputError } from '@crossgate/core';

/**
 * Names of the parameter groups: `lora` (Θ_L), `fusion` (Θ_A and Θ_G), `cf` (Θ_E), and `learned`, vectors that belong
 * to slots.
 */
export type GroupName = 'lora' | 'fusion' | 'cf' | 'learned';

/** Order of training (Table 4 of CCF-LLM); `untrained` scores with the language model as it is. */
export type TrainingStrategy = 'two-stage' | 'stage1-only' | 'end-to-end' | 'untrained';

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
   * Which states the best one is chosen from: `carry` also those of earlier stages, `own` of this stage alone. A stage
   * with another prompt than the one before has scores of another kind, and must choose its own. Default: `own` with
   * another prompt, else `carry`.
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
  /**
   * Prompt in place of `template` where items that CF recommends are named: it has a slot of the titles of `neighbors`.
   */
  readonly neighborsTemplate?: string;
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

/** Whether titles are fused with CF vectors, so that there is something to gate. */
export function usesGate({ slots }: Pick<Method, 'slots'>): boolean {
  return Object.values(slots).some((slot) => 'titles' in slot && slot.fused === true);
}

/** Whether a prompt names items that CF recommends to the user (Table 2, with CF). */
export function usesNeighbors({ slots }: Pick<Method, 'slots'>): boolean {
  return Object.values(slots).some((slot) => 'titles' in slot && slot.titles === 'neighbors');
}

/** How many learned vectors a method has, all slots together. */
export function learnedVectors(slots: Slots): number {
  return Object.values(slots).reduce((sum, slot) => sum + ('learned' in slot ? slot.learned : 0), 0);
}

/** The strategy of a method when none is chosen: its first. */
export function defaultStrategy({ strategies }: Pick<Method, 'strategies'>): TrainingStrategy {
  return Object.keys(strategies)[0] as TrainingStrategy;
}

/** Prompts in place of a method's own: of all stages that have none of their own, and of single stages. */
export interface Templates {
  /** Of stages that have none of their own. */
  readonly template?: string | null;
  /** Of the stage with these settings. */
  readonly stage1?: string | null;
  /** Of the stage with these settings. */
  readonly stage2?: string | null;
}

/** A stage with everything filled in. */
export type Stage = StageDeclaration & Required<Pick<StageDeclaration, 'template' | 'best'>>;

/**
 * The stages of a strategy, each with its prompt; none for `untrained`.
 * @throws InputError for a strategy that the method lacks, with those it has; Error for a declaration in which a stage
 * of another prompt keeps the best state of the one before
 */
export function stagesOf(
  { name, strategies, template: own }: Pick<Method, 'name' | 'strategies' | 'template'>,
  strategy: TrainingStrategy,
  templates: Templates = {},
): readonly Stage[] {
  const declared = strategies[strategy];
  if (!declared) {
    throw new InputError(`${name} cannot be trained ${strategy}`, {
      code: 'config.value',
      place: 'training.strategy',
      fix: `choose ${Object.keys(strategies).join(' or ')}`,
    });
  }
  let before: string | undefined;
  return declared.map((stage) => {
    const template = templates[stage.settings] ?? stage.template ?? templates.template ?? own;
    const other = before !== undefined && template !== before;
    before = template;
    if (other && stage.best === 'carry')
      throw new Error(`${name}: ${stage.settings} has another prompt; it must choose its own best`);
    return { ...stage, template, best: stage.best ?? (other ? 'own' : 'carry') };
  });
}

/** The prompt that a finished run reads: that of its last stage. */
export function finalTemplate(
  method: Pick<Method, 'name' | 'strategies' | 'template'>,
  strategy: TrainingStrategy,
  templates: Templates = {},
): string {
  return stagesOf(method, strategy, templates).at(-1)?.template ?? templates.template ?? method.template;
}

/** What `{nouns}` and `{noun}` stand for: `movies` gives "movies" and "movie". */
export function nounSlots(nouns: string): Readonly<Record<string, string>> {
  return { nouns, noun: nouns.replace(/s$/, '') };
}

/**
 * Puts the noun into a template: `movies` gives "movies" for `{nouns}` and "movie" for `{noun}`. It is the template's
 * own text then; a noun of others is given as `nouns` to `PromptBuilder`, which keeps it text whatever it spells.
 */
export function fillNoun(template: string, nouns: string): string {
  return Object.entries(nounSlots(nouns)).reduce((text, [slot, noun]) => text.replaceAll(`{${slot}}`, noun), template);
}
