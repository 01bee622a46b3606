/** The language model that a session lends: found and checked once, its weights loaded when they are first wanted. */
import type { Log, Progress } from '@crossgate/core';
import type { Device, Profiler } from '@crossgate/gpu';
import type { LlamaConfig, LlamaModel, OpenModel, Tokenizer, WeightSource, WeightStorage } from '@crossgate/llm';
import { type LentModel, warningOnce } from './lent-model';

/** What loading works with. */
export interface Loading {
  readonly log: Log;
  readonly device: () => Promise<Device>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly profiler?: Profiler | undefined;
}

/** Keeps the last model open, for the next run on the same one. */
export class ModelShelf {
  #last: { readonly path: string; readonly model: OpenedModel } | undefined;

  constructor(private readonly loading: Loading) {}

  /**
   * Opens a model, or gives the one that is open when it is the same still, by its hash.
   * @param path absolute, as `locateModel` gives it
   * @throws InputError naming the file and what is wrong with it
   */
  async open(path: string): Promise<LentModel> {
    const { modelHash, openModel } = await import('@crossgate/llm/node');
    using _ = this.loading.profiler?.span('open model');
    const files = await openModel(path);
    try {
      const hash = await modelHash(path);
      if (this.#last?.path === path && this.#last.model.hash === hash) {
        await files.close();
        return this.#last.model;
      }
      await this.close();
      for (const warning of files.source.warnings) this.loading.log.warn(warning);
      this.#last = { path, model: new OpenedModel(files, hash, this.loading) };
      return this.#last.model;
    } catch (error) {
      await files.close();
      throw error;
    }
  }

  /** Drops weights that are gone with their device. */
  forget(): void {
    this.#last?.model.forget();
  }

  /** Frees the weights and closes the files. */
  async close(): Promise<void> {
    const last = this.#last;
    this.#last = undefined;
    await last?.model.close();
  }
}

class OpenedModel implements LentModel {
  readonly tokenizer: () => Promise<Tokenizer>;
  #loaded: { readonly weights: WeightStorage; readonly llm: LlamaModel } | undefined;

  constructor(
    private readonly files: OpenModel,
    readonly hash: string,
    private readonly loading: Loading,
  ) {
    this.tokenizer = warningOnce(files, loading.log);
  }

  get config(): LlamaConfig {
    return this.files.config;
  }

  get source(): WeightSource {
    return this.files.source;
  }

  async load(weights: WeightStorage): Promise<LlamaModel> {
    if (this.#loaded?.weights === weights) return this.#loaded.llm;
    await this.#release();
    const { loadModel } = await import('@crossgate/llm/node');
    const { device, progress, signal } = this.loading;
    const settings = { weights, setting: 'llm.weights:', progress, signal };
    const opened = await device();
    using _ = this.loading.profiler?.span('load model');
    const llm = await loadModel(opened, this.source, settings);
    this.#loaded = { weights, llm };
    return llm;
  }

  forget(): void {
    this.#loaded = undefined;
  }

  async close(): Promise<void> {
    await this.#release();
    await this.files.close();
  }

  async #release(): Promise<void> {
    const llm = this.#loaded?.llm;
    this.#loaded = undefined;
    llm?.release();
    // Now the memory is free, which what comes next may count on.
    await llm?.device.recorder.synchronize();
  }
}
