/** The codes of all errors. Programs may rely on them: a code keeps its meaning, and new ones are added. */

/** Code of an error to what it means. `docs/errors.md` is made from this. */
export const errorCodes = {
  failed: 'Anything that has no code of its own.',
  input: 'An argument, shape or value that a function refuses.',
  usage: 'A command line with an unknown command or option, a missing argument, or a value that an option refuses.',
  interrupted: 'The user stopped the work (Ctrl-C, a signal).',

  'ranks.mpi': 'Open MPI that is not found, or that started no job with these ranks.',
  'ranks.differ': 'Ranks of a job that were given different configs, data, models or programs.',
  'ranks.shared-gpu': 'Ranks of a job that would share one hardware GPU.',
  'ranks.lost': 'A rank of the job has ended, so the others ended too.',

  'config.syntax': 'A config, or the value of `--set`, that is not a YAML mapping of plain keys.',
  'config.unknown-key': 'A config with a key that there is not.',
  'config.unread-key': 'With `--strict`: a config with a key that its method does not read.',
  'config.value': 'A value of a config that is refused, is missing, or does not go with the others.',
  'config.extends': 'An `extends` that goes in a circle, too deep, or to a file that does not exist.',

  'data.not-found': 'A data set, or a file of its source, that is not where it was looked for.',
  'data.unknown': 'A data set or split whose name is not known.',
  'data.unprepared': 'A folder that is not a prepared data set, or one that another version prepared.',
  'data.damaged': 'A prepared data set whose files are missing, changed or damaged.',
  'data.option': 'An option of a data set that is refused (`data.*` of a config).',
  'data.other': 'A data set that is another than the one asked for, or the one the run was trained on.',
  'data.source': 'A source file with a line, field or value that cannot be read as its format says.',
  'data.empty': 'Filters or a split that leave no rows.',
  'data.attribute': 'An attribute of items that the data do not have, or a filter or value that does not fit it.',
  'data.unknown-id': 'A user or item that the data set does not hold.',

  'csv.syntax': 'A CSV file with broken quotes, line ends, or a row that is longer or shorter than the header.',
  'csv.encoding': 'A CSV file that is not UTF-8 text.',
  'csv.column': 'A CSV file whose header lacks a column, or has one twice.',
  'csv.value': 'A field of a CSV file that is refused.',
  'csv.empty': 'A CSV file without a header or without rows.',

  'run.not-found': 'A folder that is not a run, or no folder at all.',
  'run.exists': 'A folder for a run that holds a complete run or something else.',
  'run.unfinished': 'A folder for a run that holds an unfinished run.',
  'run.incomplete': 'A run that must be finished before it can be used.',
  'run.other-config': 'A run that was started with another config, data set or model.',
  'run.damaged': 'A run with a file that is missing, changed or damaged.',
  'run.no-predictions': 'A run without predictions for the split asked for.',
  'run.not-comparable': 'Runs that were scored on other data or other rows.',
  'run.not-held': 'A finished run that does not hold what was asked for, such as vectors of items.',
  'run.broken-off': 'A training that failed after its run was started; it can be resumed.',
  'part.other':
    'A part of a long result (`FILE.part`) that was begun by another run, or with other options or other content of their files.',
  'shard.other':
    'A shard in a folder of shards that was made by another run or command, with other options, or as one of another number.',
  'shard.missing': 'Shards that are not finished, though they are needed.',
  'shard.doubled': 'A shard that a folder holds twice.',
  'queue.server': 'A NATS server that cannot hold a work queue.',
  'queue.not-found': 'A work queue that was not filled, or was removed.',
  'queue.other': 'A work queue that was filled with another number of shards.',
  'checkpoint.damaged': 'A checkpoint that cannot be read.',

  'model.not-found': 'A language model that is not where it was looked for.',
  'model.missing-file': 'A model without one of its files or tensors.',
  'model.unsupported': 'A model in a format, layout or number type that is not supported.',
  'model.damaged': 'A model with a file that is damaged or contradicts itself.',
  'model.ambiguous': 'A folder or repository that holds several models.',
  'model.output': 'A model whose output is not finite.',
  'tokenizer.missing': 'A model without the files of its tokenizer.',
  'tokenizer.invalid': 'A tokenizer that is damaged, not supported, or not that of the model.',
  'tokenizer.token': 'A token id outside the vocabulary.',
  'adapter.not-found': 'A LoRA adapter that is not where it was looked for, or lacks a file.',
  'adapter.option': 'An option of LoRA that is refused (`lora.*` of a config).',
  'adapter.mismatch': 'A LoRA adapter that does not fit the model.',
  'prompt.empty': 'A prompt without a token.',
  'prompt.too-long': 'A prompt or sequence that is longer than the context of the model.',

  'gpu.none': 'No GPU adapter that fits.',
  'gpu.addon': 'The add-on that drives GPUs does not load on this machine.',
  'gpu.lost': 'The GPU was lost (driver reset, removal).',
  'gpu.memory': 'GPU memory that ran out, or a buffer beyond the limits of the adapter.',
  'gpu.validation': 'The driver rejected a command, which is a fault of Crossgate.',
  'gpu.limit': 'A kernel that needs more than the adapter allows.',
  'memory.exceeded': 'A model that does not fit the memory budget.',
  'memory.size': 'A size of memory that cannot be read.',

  'file.path': 'A path that the system refuses: not there, of the wrong kind, or without permission.',
  'file.disk': 'A disk that is full or fails.',
  'file.not-found': 'A file or folder that does not exist.',
  'file.kind': 'A folder, pipe or device where a file is needed, or a file where a folder is needed.',
  'file.exists': 'A file or folder to write that is there already.',
  'file.too-large': 'A file that is larger than its kind may be.',
  'file.encoding': 'A file that is not UTF-8 text.',
  'file.damaged': 'A file or archive that is damaged or cut short.',
  'file.locked': 'A folder that another process is writing.',

  'network.failed': 'A transfer that failed for good. What came is kept where it can be continued.',
  'network.changed':
    'A file of the network that is not the one that is known (by its size, its digest, or being a web page), or packed.',
  'network.proxy': 'A variable of the environment (`HTTPS_PROXY` and its kin) that names no proxy.',
  'hub.address': 'An address or token of the Hub that is refused.',
  'hub.access': 'A repository of the Hub that needs a token or granted access.',
  'hub.not-found': 'A repository, revision or file that the Hub does not have.',
  'hub.answer': 'A server that does not answer as the Hub does.',
  'hub.offline': 'A model that is not here, while the environment says not to ask the Hub (`HF_HUB_OFFLINE`).',

  'api.unset': 'A model of an endpoint without its name (`api.model`) or without its key.',
  'api.unconfirmed': 'Work that costs money, or takes many calls, and that nobody has agreed to.',
  'api.key': 'A key that the endpoint refuses.',
  'api.request': 'A request that the endpoint refuses, such as one for a model that it does not have.',
  'api.quota': 'An account without credit or quota.',
  'api.job': 'A fine-tuning job that failed or was cancelled.',

  'training.diverged': 'A loss, score or value that is not finite.',
} as const;

/** A code of an error. */
export type ErrorCode = keyof typeof errorCodes;
