/** A language model that is lent to a run: found and checked, its weights loaded when they are first wanted. */
import type { LlamaConfig, LlamaModel, Tokenizer, WeightSource, WeightStorage } from '@crossgate/llm';

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
