/** What a runner with a language model works with. */
import type { PromptBuilder } from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import type { LlamaModel } from '@crossgate/llm';

/** The base model, and what turns rows into its input. */
export interface HybridParts {
  readonly llm: LlamaModel;
  readonly builder: PromptBuilder;
  readonly device: Device;
  /** Whether the method has vectors of users and items. */
  readonly usesCf: boolean;
}
