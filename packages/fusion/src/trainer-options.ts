/** What a training is told, what it tells, and the state that it continues from. */
import type { Collective } from '@crossgate/collective';
import type { Dataset } from '@crossgate/data';
import type {
  ActivationStorage,
  HostState,
  LossScalerState,
  Precision,
  ScheduleOptions,
  YesNoLossOptions,
} from '@crossgate/tensor';
import type { CfDropout } from './channels';
import type { StageDeclaration } from './methods/method';
import type { HybridModel } from './model';
import type { PromptBuilder } from './prompt';
import type { StepReport } from './step-reports';

/** How one stage trains: its data, AdamW, learning rate and evaluation. */
export interface StageSettings extends Omit<ScheduleOptions, 'totalSteps'> {
  /** Train rows of the stage: a seeded sample of this size; null for all. */
  readonly rows: number | null;
  /** Number of passes over these rows. */
  readonly epochs: number;
  /** Number of prompts per step. The paper has 3. */
  readonly batchSize: number;
  /** Decoupled weight decay of AdamW, at least 0. It does not reach the biases of ALG and GATE. */
  readonly weightDecay: number;
  /** Decay rate of the first moment, in [0, 1). */
  readonly beta1: number;
  /** Decay rate of the second moment, in [0, 1). */
  readonly beta2: number;
  /** Term added to the root of the second moment in the denominator, above 0. */
  readonly epsilon: number;
  /** Largest norm of all gradients together, to which larger ones are scaled down; null does not clip. */
  readonly clipNorm: number | null;
  /**
   * Number of steps between evaluations on the validation rows; null evaluates at the end of each epoch. The end of the
   * stage is always evaluated.
   */
  readonly evaluateEvery: number | null;
  /** The stage ends after this many evaluations in a row without a better AUC; null never ends it early. */
  readonly patience: number | null;
}

/** Result of an evaluation on the validation rows. */
export interface EvaluationReport {
  /** Number of the stage, from 0. */
  readonly stage: number;
  /** Number of steps done in the stage. */
  readonly step: number;
  /** AUC, 0 … 1; null unless the rows have both classes. */
  readonly validAuc: number | null;
  /** UAUC, the mean AUC over users with rows of both classes, 0 … 1; null without any such user. */
  readonly validUauc: number | null;
  /** Whether this AUC is the best so far, so that its parameters are kept. */
  readonly best: boolean;
}

/** Everything needed to resume with the same numbers, taken between two steps. */
export interface TrainerState {
  /** Number of the stage, from 0. */
  readonly stage: number;
  /** Number of steps done in the stage. */
  readonly step: number;
  /** Number of updates that the optimizer of the stage has made; steps that were skipped do not count. */
  readonly optimizerSteps: number;
  /** Values of all groups, whether the stage trains them or not. */
  readonly parameters: HostState;
  /** Moments of the optimizer of the stage. */
  readonly moments: HostState;
  /**
   * State of the loss scale, with activations or products in f16; its skipped steps are those of all stages. Null with
   * f32, and absent in states of older versions.
   */
  readonly lossScale?: LossScalerState | null;
  /** Whether products have come back to f32: see {@link TrainerOptions.onFallback}. Default false. */
  readonly fellBack?: boolean;
  /** The best parameters so far; null before the first AUC. */
  readonly best: BestState | null;
  /** Number of evaluations in the stage since the best one. */
  readonly evaluationsSinceBest: number;
}

/** The parameters with the best validation AUC so far. */
export interface BestState {
  /** Number of the stage they are from, from 0. */
  readonly stage: number;
  /** Number of steps done in that stage. */
  readonly step: number;
  /** Their validation AUC, 0 … 1. */
  readonly auc: number;
  /** Values of all parameter groups. */
  readonly parameters: HostState;
}

/** The first stages of a training, done by another training that is the same up to their end. */
export interface FinishedStages {
  /** How many they are. */
  readonly stages: number;
  /** Values of the groups that they train; the others are as the model was built. */
  readonly parameters: HostState;
  /** Which state these values are; null where none is chosen. */
  readonly best: Omit<BestState, 'parameters'> | null;
}

/** What `trainHybrid` trains, on which data, and how. */
export interface TrainerOptions {
  /** The model, whose parameters are changed in place. */
  readonly model: HybridModel;
  /** Makes the prompts: one builder per stage. */
  readonly builders: readonly PromptBuilder[];
  /** Rows to train on and to validate on. All prompts are made from it. */
  readonly dataset: Dataset;
  /** The stages in order, as `stagesOf` gives them. */
  readonly stages: readonly StageDeclaration[];
  /** Settings of the stages, by the name that each stage declares. */
  readonly settings: Readonly<Record<'stage1' | 'stage2', StageSettings>>;
  /** Whether stages that declare `cf` train the CF model (ENC). False keeps its vectors as they are. */
  readonly trainCf: boolean;
  /**
   * Share of a batch's users and items that stages which train ALG and GATE see as the zero vector, each in [0, 1).
   * Thus the vector of unseen ones is trained too. Default 0.
   */
  readonly cfDropout?: Pick<CfDropout, 'items' | 'users'>;
  /**
   * The loss and its settings (CCF-LLM eq. 5 and others): see `yesNoLoss` of `@crossgate/tensor`. Its answer tokens
   * come from the first builder.
   */
  readonly loss: Omit<YesNoLossOptions, 'yesToken' | 'noToken'>;
  /**
   * In which type the values that the backward pass reads are stored. `f16` halves that memory and adds a dynamic loss
   * scale: steps whose gradients are not finite change nothing, and are counted. Default `f32`.
   */
  readonly activations?: ActivationStorage;
  /**
   * In which type the model was asked to multiply. `f16` adds a loss scale as f16 activations do. Where values do not fit
   * f16, so that 20 steps in a row were skipped at the least scale, or a loss or a score is not finite, the model
   * multiplies in f32 from then on. With activations in f32 too, gradients then have no scale any more. Default `f32`.
   */
  readonly precision?: Precision;
  /** Called when the model, which multiplied in f16, goes on in f32, with the reason in words that end a sentence. */
  readonly onFallback?: (reason: string) => void;
  /** Seed of the samples of rows, of their order and of all dropout. */
  readonly seed: number;
  /** Validation rows that choose the best state: a seeded sample of this size, the same throughout; null for all. */
  readonly validRows: number | null;
  /**
   * What chooses the best state: `auc` (default), the AUC of these rows; or `last`, which chooses none, so that the last
   * state stands and no stage ends early.
   */
  readonly selectBy?: 'auc' | 'last';
  /** Most tokens of one batch of an evaluation: see `scoreRows`. */
  readonly batchTokens?: number;
  /**
   * Number of steps between checkpoints; null makes them only after evaluations. A signal also makes one, and so does the
   * first step of several ranks.
   */
  readonly checkpointEvery: number | null;
  /**
   * The ranks that train together, each with a model of the same values: every rank takes a share of each batch and of
   * each evaluation, and the gradients are summed, so the update is that of one rank. All stop when one is told to.
   * Default: this one alone.
   */
  readonly collective?: Collective;
  /**
   * Whether steps are captured, and replayed for batches of the same shape, where the model's steps can be: the host then
   * needs less time for each. Batches are padded for it, to multiples of 128 tokens, 16 items and 64 tokens of titles: that
   * takes memory of the device, which `planMemory` does not count, and time. It changes results by roundings, so a
   * training is continued to the same bits only with the same choice, which `TrainerState` does not hold. Default:
   * false, since no GPU was measured. With several ranks no step is captured.
   */
  readonly replay?: boolean;
  /** State to continue from, as {@link onCheckpoint} got it. */
  readonly resume?: TrainerState | undefined;
  /**
   * Stages to begin after; not read with a state to continue from. With a loss scale it begins anew.
   */
  readonly finished?: FinishedStages | undefined;
  /**
   * Called while the kernels of a stage's first step are compiled, with those done so far and all. Not called where all
   * are compiled already.
   */
  readonly onCompile?: (done: number, total: number) => void;
  /** Called with the numbers of each step, one step late. */
  readonly onStep?: (report: StepReport) => void;
  /** Called after each stage with the seconds of it spent on sums between ranks, with waiting for slower ones. */
  readonly onCommunication?: (seconds: number) => void;
  /** Called after each evaluation. */
  readonly onEvaluation?: (report: EvaluationReport) => void;
  /** Called with a consistent state of finite values, whose losses are finite. Training waits for it. */
  readonly onCheckpoint?: (state: TrainerState) => Promise<void>;
  /** Called during an evaluation with the number of rows done so far and of all rows. */
  readonly onEvaluationProgress?: (done: number, total: number) => void;
  /**
   * Aborting it ends training after the current step: a checkpoint is made, then the reason of the signal is thrown. An
   * evaluation that is running or due is given up without a checkpoint; resuming from the last one gives the same
   * numbers.
   */
  readonly signal?: AbortSignal | undefined;
}
