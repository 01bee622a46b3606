/** `crossgate model pull`: a model from the Hugging Face Hub, into the cache. */
import { InputError, type ProgressTask, throwIfInterrupted } from '@crossgate/core';
import { hubOf, modelCache, parseReference, pullModel } from '@crossgate/hub';
import type { Host } from '@crossgate/terminal';
import type { Command } from 'commander';

export function addModelPull(group: Command, host: Host): void {
  const pull = host
    .add(group, 'pull <id>', 'Fetch and check a model of the Hugging Face Hub; resumes an interrupted download', [
      'model pull HuggingFaceTB/SmolLM2-135M',
      'model pull ORG/NAME --revision v1.0',
      'model pull ORG/NAME/FILE.gguf',
      'train configs/ml-1m/ccf-mf-stories260k.yaml --set llm.path=ORG/NAME',
    ])
    .option('--revision <name>', 'branch, tag or commit (default: main)');
  host.handle<{ revision?: string }>(pull, async (context, options, [id]) => {
    const { io, log } = context;
    throwIfInterrupted(io.signal);
    const named = parseReference(id!);
    if (named === undefined) {
      throw new InputError(`${id} is no model of the Hub`, {
        code: 'usage',
        place: '<id>',
        fix: 'give ORG/NAME, ORG/NAME@REVISION or ORG/NAME/FILE.gguf',
      });
    }
    const { revision = options.revision ?? 'main' } = named;
    if (options.revision !== undefined && options.revision !== revision) {
      throw new InputError(`${id} names another revision`, {
        code: 'usage',
        place: '--revision',
        fix: 'give one of both',
      });
    }
    if (parseReference(`${named.repository}@${revision}`) === undefined) {
      throw new InputError(`${JSON.stringify(revision)} is no branch, tag or commit`, {
        code: 'usage',
        place: '--revision',
      });
    }
    const hub = hubOf(io.env, io.cwd);
    const reference = { ...named, revision };
    let task: ProgressTask | undefined;
    let total = 0;
    try {
      const pulled = await pullModel(hub, reference, modelCache(io), {
        signal: io.signal,
        env: io.env,
        shared: io,
        progress(bytes, all, from) {
          // Shards are known only once their index is there: then the bar starts anew.
          if (all !== total) {
            task?.finish();
            total = all;
            task = context.progress.start(`pulling ${reference.repository}`, all, 'bytes', from);
          }
          task?.update(bytes);
        },
      });
      if (pulled.unasked !== undefined) {
        log.warn(`the Hub was not asked (${pulled.unasked}); ${id} is what was fetched before`);
      }
      const state = pulled.downloaded ? 'fetched' : 'was here already';
      log.info(`${id}: ${state}, commit ${pulled.commit}; its terms: ${hub.endpoint}/${reference.repository}`);
      await context.emit({ ...pulled, revision }, () => pulled.path);
    } finally {
      task?.finish();
    }
  });
}
