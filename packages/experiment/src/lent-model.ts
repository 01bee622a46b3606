/** A language model that is lent to a run: found and checked, its weights loaded when they are first wanted. */
import type { Log } from '@crossgate/core';
import type { LlamaConfig, LlamaModel, OpenModel, Tokenizer, WeightSource, WeightStorage } from '@crossgate/llm';

/** What a session lends of a model. It stays the session's; adapters are handed in by `LlamaModel.with`. */
export interface LentModel {
  /** See `modelHash` of `@crossgate/llm/node`. */
  readonly hash: string;
  /** Sizes and constants, from its config.json or GGUF header. */
  readonly config: LlamaConfig;
  /** Its weights in the files; reading them again is possible until the session opens another model. */
  readonly source: WeightSource;
  /** Its tokenizer, built by the first call. @throws InputError when it is missing, malformed or of another model */
  tokenizer(): Promise<Tokenizer>;
  /**
   * The weights on the device: loaded by the first call, and again when they are wanted in another form.
   * @throws InputError before any weight is read when they are too large, and for damaged ones; InterruptedError
   */
  load(weights: WeightStorage): Promise<LlamaModel>;
}

/** Gives a model's tokenizer, and its warnings once, however many runs ask for it. */
export function warningOnce(files: Pick<OpenModel, 'tokenizer'>, log: Log): () => Promise<Tokenizer> {
  let tokenizer: Promise<Tokenizer> | undefined;
  return () => {
    tokenizer ??= files.tokenizer().then((built) => {
      for (const warning of built.warnings ?? []) log.warn(warning);
      return built;
    });
    return tokenizer;
  };
}
