/** The page's worker: GPU, files and models, away from what the reader touches. */
import './no-eval';
import { openDevice } from '@crossgate/gpu';
import { trackSpeed } from './jobs/kernels';
import { findUsers, forgetKept, openRun, recommend } from './jobs/run';
import { readColumns, suggest, train, trainedUsers } from './jobs/train';
import type { Gpu, Jobs, Reply, Request } from './protocol';

/** What a job is run with. */
type Run<Name extends keyof Jobs> = (
  input: Jobs[Name]['input'],
  note: (note: Jobs[Name]['note']) => void,
  signal: AbortSignal,
) => Promise<Jobs[Name]['answer']>;

const jobs: { [Name in keyof Jobs]: Run<Name> } = {
  gpu: describeGpu,
  open: openRun,
  findUsers,
  recommend,
  columns: readColumns,
  train,
  trainedUsers,
  suggest,
  kernels: trackSpeed,
  forget: forgetKept,
};

async function describeGpu(): Promise<Gpu> {
  await using device = await openDevice();
  const { name, vendor, software } = device.capabilities;
  return { name, vendor, software };
}

const running = new Map<number, AbortController>();
const reply = (message: Reply) => postMessage(message);

addEventListener('message', async ({ data }: MessageEvent<Request>) => {
  if ('stop' in data) return running.get(data.stop)?.abort();
  const { id, job, input } = data;
  const control = new AbortController();
  running.set(id, control);
  try {
    const run = jobs[job] as Run<keyof Jobs>;
    const answer = await run(input as never, (note) => reply({ id, note }), control.signal);
    reply({ id, answer });
  } catch (error) {
    reply({ id, problem: (error as Error).message, stopped: control.signal.aborted });
  } finally {
    running.delete(id);
  }
});
