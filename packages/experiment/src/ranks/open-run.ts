/** The run folder of a job of several ranks: rank 0 writes it, the others read what is in it. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Collective } from '@crossgate/collective';
import { makeFolders, writeAtomic } from '@crossgate/files';
import type { ExperimentConfig } from '../config/schema';
import { type OpenOptions, RunFolder, type RunState } from '../runs/run-folder';
import { onRankZero } from './on-rank-zero';

/** What ranks read of an unfinished run. */
const read = /^(cf(-\d+)?\.safetensors|checkpoints[/\\](last|best)(\.json|-[ab]\.safetensors))$/;

/** Opens the folder of a run on rank 0, and what stands for it on the others. @throws on all ranks what rank 0 throws */
export async function openRunOfRanks(
  path: string,
  config: ExperimentConfig,
  options: OpenOptions,
  collective: Collective,
): Promise<RunFolder> {
  if (collective.size === 1) return RunFolder.open(path, config, options);
  let opened: RunFolder | undefined;
  const { state, files } = await onRankZero(collective, async () => {
    opened = await RunFolder.open(path, config, options);
    const names = await readdir(path, { recursive: true });
    return { state: opened.state, files: names.filter((name) => read.test(name)) };
  });
  if (opened) {
    for (const name of files) await collective.broadcast(await readFile(join(path, name)));
    return opened;
  }
  // A new run has nothing to read: its folder is not made.
  const scratch = files.length > 0 ? await mkdtemp(join(tmpdir(), 'crossgate-rank-')) : join(tmpdir(), randomUUID());
  for (const name of files) {
    const bytes = await collective.broadcast(new Uint8Array(0));
    await makeFolders(join(scratch, 'checkpoints'), 'set TMPDIR to a folder with room');
    await writeAtomic(join(scratch, name), bytes);
  }
  return new FollowedRun(scratch, state, files.includes(join('checkpoints', 'last.json')));
}

/** A run that rank 0 writes. This rank has copies of what was there when it was opened, and writes nothing. */
class FollowedRun extends RunFolder {
  constructor(
    private readonly scratch: string,
    state: RunState,
    private hasCheckpoint: boolean,
  ) {
    super(scratch, { check: async () => {}, release: async () => {} }, undefined, state);
  }

  override async begin(): Promise<void> {}
  override appendMetrics(): void {}
  override async write(): Promise<void> {}
  override async remove(): Promise<void> {}

  override async saveCheckpoint(): Promise<void> {
    this.hasCheckpoint = true;
  }

  override get resumesFrom(): string | null {
    return this.hasCheckpoint ? 'its last checkpoint' : null;
  }

  override async close(): Promise<void> {
    await rm(this.scratch, { recursive: true, force: true });
  }

  override async abandon(): Promise<void> {
    await this.close();
  }
}
