/** Runs of seconds on generated data that use everything a run can leave, and the bits by which two of them are compared. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readMetrics } from '@crossgate/experiment';
import { isTemporaryName } from '@crossgate/files';
import { folderWith, inventedMl1m, listing, writeTinyModel } from '@crossgate/testing/node';

const files = {
  ...inventedMl1m(14, 9),
  'mf.yaml': `method: mf
data: { path: ml-1m }
cf: { cfDim: 6, learningRate: 0.02, batchSize: 16, epochs: 12, warmupEpochs: 12, patience: 12 }
training: { checkpointEvery: 1 }
`,
  'ccf.yaml': `extends: mf.yaml
method: ccf
cf: { epochs: 3 }
llm: { path: model }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2, init: matchTokenNorm }
gate: { hidden: 8 }
lora: { rank: 2 }
training:
  checkpointEvery: 1
  stage1: &s { rows: 20, batchSize: 4, learningRate: 1e-2, evaluateEvery: 2, warmupSteps: 1, schedule: cosine, clipNorm: 1 }
  stage2: *s
evaluation: { validRows: 10, batchTokens: 2000 }
`,
};

/**
 * A folder with the configs `mf.yaml` and `ccf.yaml`, their data and their model.
 * @param folder an existing one; default: a new one that is removed after the test
 */
export async function tinyRuns(folder?: string): Promise<string> {
  const cwd = folder ?? (await folderWith());
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, name)), { recursive: true });
    await writeFile(join(cwd, name), text);
  }
  await writeTinyModel(join(cwd, 'model'));
  return cwd;
}

/**
 * SHA-256 of everything a complete run found: predictions, adapter, vectors, its checkpoint, metrics without times.
 * @throws Error for a run that is not complete, or one that holds what an unfinished write left
 */
export async function hashRun(run: string): Promise<string> {
  if (!existsSync(join(run, 'result.json'))) throw new Error(`${run}: not complete`);
  const hash = createHash('sha256');
  const checkpoints: string[] = [];
  for (const name of await listing(run)) {
    if (isTemporaryName(name.split(/[\\/]/).at(-1)!)) throw new Error(`${name}: was left behind`);
    if (/^(predictions|adapter)[\\/].|^(cf|fusion)\.safetensors$/.test(name)) {
      hash.update(name).update(await readFile(join(run, name)));
    }
    // Which of the two alternating names a checkpoint has depends on how often it was written.
    if (/^checkpoints[\\/].*\.safetensors$/.test(name)) {
      checkpoints.push(name);
      hash.update(name.replace(/-[ab]\./, '.')).update(await readFile(join(run, name)));
    }
    if (/^checkpoints[\\/].*\.json$/.test(name)) {
      hash.update(JSON.stringify(JSON.parse(await readFile(join(run, name), 'utf8')).state));
    }
  }
  if (checkpoints.length > 2) throw new Error(`${checkpoints.join(', ')}: more weights than checkpoints`);
  const records = readMetrics(join(run, 'metrics.jsonl'));
  hash.update(JSON.stringify(records.map(({ time: _, seconds: __, ...record }) => record)));
  const { metrics } = JSON.parse(await readFile(join(run, 'result.json'), 'utf8'));
  return hash.update(JSON.stringify(metrics)).digest('hex');
}
