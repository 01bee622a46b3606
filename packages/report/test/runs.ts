/** Runs of seconds on generated data, whose titles try to be markup. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadConfig, openSession, runExperiment, type Session } from '@crossgate/experiment';
import { inventedMl1m, writeTinyModel } from '@crossgate/testing/node';

/** What no page may take for markup. */
export const oddTitle = `</script><img src=x onerror="alert(1)"> & 'q' ]]> {item} (1990)`;

const stages = { rows: 12, batchSize: 4, learningRate: 0.01 };

function files(): Record<string, string> {
  const data = inventedMl1m(14, 9);
  return {
    ...data,
    'ml-1m/movies.dat': data['ml-1m/movies.dat']!.replace('Invented Film 3 (1990)', oddTitle),
    'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n',
    // Two runs of one name are called by their folders, which may be called anything.
    'running.yaml': 'extends: mean.yaml\nmethod: running-mean\nname: mean\n',
    'mf.yaml': 'method: mf\ndata: { path: ml-1m }\ncf: { cfDim: 8, epochs: 3, batchSize: 16 }\n',
    'ccf.yaml': `extends: mf.yaml
method: ccf
llm: { path: model }
lora: { rank: 2 }
prompt: { historyLength: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
training: ${JSON.stringify({ stage1: stages, stage2: { ...stages, learningRate: 0.05, epochs: 4 } })}
`,
    'collm.yaml': 'extends: ccf.yaml\nmethod: collm\n',
  };
}

/** A folder with data, model and configs. */
export async function makeWorld(): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'crossgate-report-'));
  for (const [name, content] of Object.entries(files())) {
    await mkdir(dirname(join(cwd, name)), { recursive: true });
    await writeFile(join(cwd, name), content);
  }
  await writeTinyModel(join(cwd, 'model'));
  return cwd;
}

/** Folder of the run of `running.yaml`. */
export const running = '<i>running</i>';

/** Runs configs of the world, each into a folder of its name. */
export async function makeRuns(session: Session, ...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await runExperiment(await loadConfig(`${name}.yaml`, { cwd: session.cwd }), session, {
      run: name === 'running' ? running : name,
    });
  }
}

/** A session in the world, and the places of its runs. */
export function openWorld(cwd: string) {
  const session = openSession({ cwd });
  const places = (...names: readonly string[]) => names.map((shown) => ({ shown, path: join(cwd, shown) }));
  return { session, places };
}
