/**
 * Tunes a model on its endpoint: uploads the training rows, starts a job, waits for it. Goes on from what is stored.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { CrossgateError, InputError, type Log } from '@crossgate/core';
import { kindOf, readText } from '@crossgate/files';
import { toFile } from 'openai';
import { z } from 'zod';
import type { RunFolder } from '../runs/run-folder';
import type { ApiClient } from './api-llm-client';
import { type Clock, systemClock } from './api-llm-pacer';

/** Name of the file of the run folder that says how far a job is. */
export const JOB_FILE = 'fine-tune.json';

const stateSchema = z.strictObject({
  /** SHA-256 of the uploaded lines. */
  hash: z.string(),
  /** Id of the uploaded file. */
  file: z.string(),
  /** Id of the job; null before it is started. */
  job: z.string().nullable(),
  /** Name of the tuned model; null before the job has succeeded. */
  model: z.string().nullable(),
});
/** How far a job is. */
export type JobState = z.output<typeof stateSchema>;

/** How far the job of a run is; undefined before it was uploaded. @throws InputError for a damaged file */
export async function readJob(run: string): Promise<JobState | undefined> {
  const path = join(run, JOB_FILE);
  if ((await kindOf(path)) !== 'file') return undefined;
  const text = await readText(path, 'state of a fine-tuning job');
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch {
    throw new InputError('is not the state of a fine-tuning job', {
      code: 'run.damaged',
      place: path,
      fix: 'restore it, or delete it to tune again',
    });
  }
}

/** What a job is made of. */
export interface TuningOptions {
  readonly client: ApiClient;
  /** Where its state is stored. */
  readonly run: RunFolder;
  /** Model to tune, as the endpoint names it. */
  readonly model: string;
  /** Passes over the lines. */
  readonly epochs: number;
  /** Seed of the job. */
  readonly seed: number;
  /** Seconds between two looks at the job. */
  readonly pollEvery: number;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Default: that of the machine. */
  readonly clock?: Clock;
}

const withId = z.looseObject({ id: z.string().min(1) });
const job = withId.extend({
  status: z.string(),
  fine_tuned_model: z.string().nullish(),
  training_file: z.string().nullish(),
  error: z.looseObject({ message: z.string().nullish() }).nullish(),
});
const jobs = z.looseObject({ data: z.array(job) });

/** Reads a body by a schema, as `Request.read` wants it. */
const reader =
  <T>(schema: z.ZodType<T>) =>
  (body: unknown): T | undefined =>
    schema.safeParse(body).data;

/**
 * The tuned model of some training lines.
 * @param lines of JSON, each a chat with its answer
 * @returns its name
 * @throws CrossgateError for a job that failed; InterruptedError: the job goes on, and a resumed run waits for it
 */
export async function tuneModel(lines: string, options: TuningOptions): Promise<string> {
  const { client, run, log, signal, clock = systemClock, pollEvery } = options;
  const hash = createHash('sha256').update(lines).digest('hex');
  const stored = await readJob(run.path);
  if (stored !== undefined && stored.hash !== hash) {
    throw new InputError('the job was started on other training rows', {
      code: 'run.other-config',
      place: join(run.path, JOB_FILE),
      fix: 'resume with the same, or delete it to tune again',
    });
  }
  if (stored?.model) return stored.model;
  let state: JobState = stored ?? { hash, file: await upload(lines, hash, client), job: null, model: null };
  const store = async (next: JobState) => {
    state = next;
    await run.write(JOB_FILE, `${JSON.stringify(state, null, 2)}\n`);
    run.keep('its fine-tuning job');
  };
  await store(state);
  if (state.job === null) {
    await store({ ...state, job: await start(state.file, stored !== undefined, options) });
    log.info(`fine-tuning job ${state.job} is started; a resumed run waits for it`);
  }
  for (let last = ''; ; ) {
    const id = state.job!;
    const now = await client.request({
      tokens: 0,
      send: (openai, request) => openai.fineTuning.jobs.retrieve(id, request),
      read: reader(job),
    });
    if (now.status !== last) log.info(`fine-tuning job ${id}: ${client.redact(now.status)}`);
    last = now.status;
    if (now.status === 'succeeded' && now.fine_tuned_model) {
      await store({ ...state, model: now.fine_tuned_model });
      return now.fine_tuned_model;
    }
    if (now.status === 'failed' || now.status === 'cancelled') {
      // A resumed run uploads the rows again and starts another.
      await run.remove(JOB_FILE);
      const reason = client.redact(now.error?.message ?? 'no reason is given');
      throw new CrossgateError(`fine-tuning job ${id} is ${now.status}: ${reason}`, { code: 'api.job' });
    }
    await clock.sleep(pollEvery * 1000, signal);
  }
}

async function upload(lines: string, hash: string, client: ApiClient): Promise<string> {
  const { id } = await client.request({
    tokens: 0,
    send: async (openai, options) => {
      const file = await toFile(Buffer.from(lines), `crossgate-${hash.slice(0, 12)}.jsonl`, {
        type: 'application/jsonl',
      });
      return openai.files.create({ file, purpose: 'fine-tune' }, options);
    },
    read: reader(withId),
  });
  return id;
}

/**
 * Starts a job on an uploaded file.
 * @param perhapsStarted whether an earlier process may have started it without having stored its id
 */
async function start(
  file: string,
  perhapsStarted: boolean,
  { client, model, epochs, seed }: TuningOptions,
): Promise<string> {
  const { id } = await client.request({
    tokens: 0,
    async send(openai, options, tries) {
      // An answer that was lost may have been that of a job that runs: a second one would be paid for too.
      if (perhapsStarted || tries > 0) {
        const listed = jobs.safeParse(await openai.fineTuning.jobs.list({ limit: 100 }, options).then(plain)).data;
        const found = listed?.data.find(({ training_file }) => training_file === file);
        if (found !== undefined) return found;
      }
      return openai.fineTuning.jobs.create(
        {
          model,
          training_file: file,
          seed,
          method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: epochs } } },
        },
        options,
      );
    },
    read: reader(withId),
  });
  return id;
}

/** A page of the library as data. */
const plain = ({ data }: { readonly data: unknown }) => ({ data });
