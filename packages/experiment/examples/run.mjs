// Runs one experiment without a command line: a config, a session, a result.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, openSession, runExperiment } from '@crossgate/experiment';

const cwd = await mkdtemp(join(tmpdir(), 'crossgate-experiment-'));
await writeFile(join(cwd, 'mean.yaml'), 'method: mean\ndata: { name: demo }\n');
const session = openSession({ cwd });
const config = await loadConfig('mean.yaml', { cwd });
const { metrics, run } = await runExperiment(config, session);
console.log(run, metrics.test.rows, 'rows, AUC', metrics.test.auc.toFixed(4), 'UAUC', metrics.test.uauc.toFixed(4));
await session.close();
await rm(cwd, { recursive: true });
