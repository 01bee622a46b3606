/** What a runner with a language model works with. */
import type { PromptBuilder } from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import type { LlamaModel } from '@crossgate/llm';

/** The base model, and what turns rows into its input. */
export interface HybridParts {
  readonly llm: LlamaModel;
  /** What makes the prompts of each stage. */
  readonly builders: readonly PromptBuilder[];
  readonly device: Device;
  /** Whether the method has vectors of users and items. */
  readonly usesCf: boolean;
}
