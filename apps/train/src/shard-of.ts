/** Which shard a process makes: as the command line says, or as Kubernetes or Slurm say. */
import { InputError } from '@crossgate/core';
import { MOST_SHARDS, type Shard } from '@crossgate/experiment';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The shard that `--shard` asks for.
 * @param text `I/N`, or `auto`
 * @param shards `--shards`: the number of shards for `auto`
 * @throws InputError that says what was found
 */
export function shardOf(text: string, shards: number | undefined, env: Environment): Shard {
  if (text === 'auto') return shardOfEnvironment(shards, env);
  if (shards !== undefined)
    throw usage('--shards', 'goes with --shard auto alone', 'leave it out: --shard I/N has the number');
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (index === undefined)
    throw usage('--shard', `${JSON.stringify(text)} is no shard`, 'write I/N, such as 0/8, or auto');
  return checked(Number(index), Number(count), '--shard');
}

function shardOfEnvironment(shards: number | undefined, env: Environment): Shard {
  const found = Object.entries(env).filter(
    ([name, value]) => /^(JOB_COMPLETION_INDEX|SLURM_ARRAY_)/.test(name) && value,
  );
  const words = found.length === 0 ? 'neither is set' : found.map(([name, value]) => `${name} is ${value}`).join(', ');
  const { JOB_COMPLETION_INDEX: kubernetes, SLURM_ARRAY_TASK_ID: slurm } = env;
  if (Boolean(kubernetes) === Boolean(slurm)) {
    const fix = kubernetes ? 'unset one of them' : 'start it in such a job, or write --shard I/N';
    const needs = 'auto needs JOB_COMPLETION_INDEX (Kubernetes) or SLURM_ARRAY_TASK_ID (Slurm), one of them';
    throw usage('--shard', `${needs}; ${words}`, fix);
  }
  const named = shards ?? (env.CROSSGATE_SHARDS ? whole('CROSSGATE_SHARDS', env) : undefined);
  if (kubernetes) {
    if (named === undefined) {
      const problem = `auto needs the number of shards, which Kubernetes does not say; ${words}`;
      throw usage('--shard', problem, 'give --shards N or CROSSGATE_SHARDS, the completions of the job');
    }
    return checked(whole('JOB_COMPLETION_INDEX', env), named, 'JOB_COMPLETION_INDEX');
  }
  const id = whole('SLURM_ARRAY_TASK_ID', env);
  // A part of an array, submitted again: the ids are those of the shards.
  if (named !== undefined) return checked(id, named, 'SLURM_ARRAY_TASK_ID');
  if (!env.SLURM_ARRAY_TASK_MIN || !env.SLURM_ARRAY_TASK_COUNT) {
    const problem = `auto needs SLURM_ARRAY_TASK_MIN and SLURM_ARRAY_TASK_COUNT too; ${words}`;
    throw usage('--shard', problem, 'give --shards N, with an array from 0');
  }
  const [min, count] = [whole('SLURM_ARRAY_TASK_MIN', env), whole('SLURM_ARRAY_TASK_COUNT', env)];
  const step = env.SLURM_ARRAY_TASK_STEP ? whole('SLURM_ARRAY_TASK_STEP', env) : 1;
  const max = env.SLURM_ARRAY_TASK_MAX ? whole('SLURM_ARRAY_TASK_MAX', env) : min + (count - 1) * step;
  const index = (id - min) / step;
  if (!Number.isInteger(index) || index < 0 || index >= count || max !== min + (count - 1) * step) {
    const fix = 'submit --array=0-M, or give --shards N: the task ids are then the shards';
    throw usage('--shard', `auto needs an array of ids in equal steps; ${words}`, fix);
  }
  return checked(index, count, 'SLURM_ARRAY_TASK_ID');
}

function whole(name: string, env: Environment): number {
  const text = env[name]!;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usage(name, `is ${JSON.stringify(text)}, not a whole number`, 'write --shard I/N instead');
}

function checked(index: number, count: number, place: string): Shard {
  if (count < 1 || count > MOST_SHARDS)
    throw usage(place, `there cannot be ${count} shards`, `choose 1 to ${MOST_SHARDS.toLocaleString('en-US')}`);
  if (index < count) return { index, count };
  throw usage(place, `there is no shard ${index} of ${count}`, `shards are counted from 0 to ${count - 1}`);
}

const usage = (place: string, problem: string, fix: string) => new InputError(problem, { code: 'usage', place, fix });
