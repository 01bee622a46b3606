/** Prompts with their answers as a file, for fine-tuning elsewhere. */
import { InputError } from '@crossgate/core';
import type { ExperimentConfig, SplitName } from './config/schema';
import type { Session } from './session';

/**
 * The rows of a split as chats with the right answer, for fine-tuning: `{"messages": [{"role": "user", …}, {"role":
 * "assistant", "content": "Yes"}]}`. Of train, they are the rows that `api.fineTune` would tune on; of other splits, those that
 * are scored. Nothing is sent to anybody.
 * @param config of the method `api-llm`
 * @returns lines, each with its newline
 * @throws InputError for another method, and for neighbors without `cf.run`
 */
export async function* exportChats(
  config: ExperimentConfig,
  session: Session,
  split: SplitName,
): AsyncGenerator<string> {
  if (config.method !== 'api-llm') {
    throw new InputError(`is ${config.method}, whose prompts are not chats`, {
      code: 'config.value',
      place: 'method',
      fix: 'choose api-llm',
    });
  }
  // Loaded here: it brings the packages that use a GPU.
  const { chatLines } = await import('./runners/api-llm-export');
  yield* chatLines({ config, dataset: await session.dataset(config.data), session }, split);
}
