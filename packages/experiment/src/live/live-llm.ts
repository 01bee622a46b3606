/** Scores of a live run by its language model, behind a prefix that all items of a person share. */
import { CandidateScorer, usesNeighbors } from '@crossgate/fusion';
import type { YesNoLossOptions } from '@crossgate/tensor';
import { finiteScores } from '../runners/finite-scores';
import type { HybridParts } from '../runners/hybrid-parts';
import { type HybridRun, openHybridRun } from '../runners/hybrid-run';

import { neighborItems } from '../runners/neighbors';
import { promptReads } from '../runners/prompt-reads';
import type { RunContext } from '../runners/run-context';
import type { RunSource } from '../runs/run-source';
import { ANYONE, LiveBackend } from './live-backend';
import type { CfView, LiveCf, Someone } from './live-cf';
import type { LiveData } from './live-data';
import { topPositions } from './top';

/** How items are scored. */
export interface LlmOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Whom items are scored for, and what each CF model has of the person. */
export interface Reader extends Someone {
  /** [models of the run] views, null where a model has nothing. */
  readonly views: readonly (CfView | null)[];
  /** Dense ids, oldest first. */
  readonly likes: Int32Array;
}

/** The language model of a run, with its channels and prompts. Use it when nothing else uses the device. */
export class LiveLlm {
  /** What its prompts hold of a person. */
  readonly reads: ReturnType<typeof promptReads>;
  /** Most likes that a prompt names, the last ones. */
  readonly historyLength: number;
  readonly #loss: YesNoLossOptions;
  #neighbors: ArrayLike<number> | null = null;

  private constructor(
    readonly run: HybridRun,
    private readonly context: RunContext,
    /** One for each CF model, with the vectors that the run tuned. */
    readonly backends: readonly LiveBackend[],
    private readonly namesNeighbors: boolean,
  ) {
    const { final } = run.prompts;
    const { name, k, bprOn } = context.config.loss;
    this.reads = promptReads(final.options);
    this.historyLength = this.reads.history ? final.options.historyLength : 0;
    this.#loss = { kind: name, k, bprOn, yesToken: final.answers.yes, noToken: final.answers.no };
  }

  /** @throws InputError naming a file of the run that is missing or does not fit */
  static async open(context: RunContext, source: RunSource, parts: HybridParts): Promise<LiveLlm> {
    const backends: LiveBackend[] = [];
    let opened: LiveLlm | undefined;
    const run = await openHybridRun(context, source, parts, 'learned', {
      backend(backend) {
        const live = new LiveBackend(backend);
        backends.push(live);
        return live;
      },
      neighbors: (of) => (user) => (opened ? opened.#neighbors : null) ?? of(user),
    });
    opened = new LiveLlm(run, context, backends, usesNeighbors(parts.method));
    return opened;
  }

  /** Makes an item known to the prompts; its dense id is the next. */
  addItem(title: string): void {
    this.run.prompts.final.addItem(title);
  }

  /** Whether prompts have room for a title. */
  fits(title: string): boolean {
    return this.run.prompts.final.fits(title);
  }

  /** Logits of items. @throws the reason of the signal */
  async logits(reader: Reader, items: ArrayLike<number>, cfs: readonly LiveCf[], data: LiveData, options: LlmOptions) {
    const { views, likes } = reader;
    const isTrained = views.some((view) => view?.basis === 'user');
    const user = isTrained ? reader.user! : ANYONE;
    for (const [index, backend] of this.backends.entries()) {
      const view = views[index];
      backend.person = view && view.basis !== 'user' ? { user, vector: view.vector } : null;
    }
    this.#neighbors = this.namesNeighbors && !isTrained ? this.#recommended(views[0] ?? null, cfs[0], data) : null;
    const final = this.run.prompts.final;
    const { userHistoryLength = 0 } = final.options;
    const history =
      userHistoryLength > 0 ? cfs.find(({ model }) => model.historyLength > 0)?.historyOf(reader) : undefined;
    try {
      const person = { user, history: likes, ...(history && { userHistory: history }) };
      const { config, session } = this.context;
      return await finiteScores(this.run.model, 'the run', session.log, async () => {
        using scorer = new CandidateScorer(this.run.model, final, person, this.#loss);
        return await scorer.score(items, { batchTokens: config.evaluation.batchTokens, ...options });
      });
    } finally {
      this.#neighbors = null;
      for (const backend of this.backends) backend.person = null;
    }
  }

  /** What CF recommends to a person that it was not trained on, as `neighborLists` does to those it was. */
  #recommended(view: CfView | null, cf: LiveCf | undefined, { dataset }: LiveData): ArrayLike<number> {
    if (view === null || cf === undefined) return [];
    const items = [...neighborItems(dataset)].filter((item) => cf.knowsItem(item));
    return topPositions(cf.logits(view, items), this.context.config.prompt.neighborCount + 1).map((at) => items[at]!);
  }

  release(): void {
    this.run.release();
  }
}
