/** The page's end of the worker: jobs as promises. */
import type { Jobs, Reply } from './protocol';

interface Pending {
  readonly note: (note: never) => void;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** A job that somebody stopped. */
export class Stopped extends Error {}

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'crossgate' });
const pending = new Map<number, Pending>();
let jobs = 0;

worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => {
  const job = pending.get(data.id);
  if (!job) return;
  if ('note' in data) return job.note(data.note as never);
  pending.delete(data.id);
  if ('answer' in data) job.resolve(data.answer as never);
  else job.reject(data.stopped ? new Stopped(data.problem) : new Error(data.problem));
});
worker.addEventListener('error', (event) => {
  const error = new Error(event.message || 'the worker of this page could not be started');
  for (const { reject } of pending.values()) reject(error);
  pending.clear();
});

/** A job that runs. */
export interface Running<Name extends keyof Jobs> {
  readonly done: Promise<Jobs[Name]['answer']>;
  /** Ends it as soon as it can; `done` then rejects with {@link Stopped}. */
  stop(): void;
}

/** Starts a job. @param note takes what the job says meanwhile */
export function start<Name extends keyof Jobs>(
  job: Name,
  input: Jobs[Name]['input'],
  note: (note: Jobs[Name]['note']) => void = () => {},
): Running<Name> {
  const id = ++jobs;
  const done = new Promise<Jobs[Name]['answer']>((resolve, reject) => {
    pending.set(id, { note, resolve, reject });
  });
  worker.postMessage({ id, job, input });
  return { done, stop: () => worker.postMessage({ stop: id }) };
}
