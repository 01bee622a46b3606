/** The run folder of a job of several ranks: rank 0 writes it, the others read what is in it. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Collective } from '@crossgate/collective';
import { CrossgateError } from '@crossgate/core';
import { makeFolders } from '@crossgate/files';
import type { ExperimentConfig } from '../config/schema';
import { type OpenOptions, RunFolder, type RunState } from '../runs/run-folder';
import { failTogether, onRankZero } from './on-rank-zero';

/** What ranks read of an unfinished run. */
const read = /^(cf(-\d+)?\.safetensors|checkpoints[/\\](last|best)(\.json|-[ab]\.safetensors))$/;

/** A file of the run, with the bytes that rank 0 sends of it. */
interface SentFile {
  readonly name: string;
  readonly bytes: number;
}

/**
 * Opens the folder of a run on rank 0, and what stands for it on the others.
 * @throws on all ranks what one throws; no rank keeps a lock or files then
 */
export async function openRunOfRanks(
  path: string,
  config: ExperimentConfig,
  options: OpenOptions,
  collective: Collective,
): Promise<RunFolder> {
  if (collective.size === 1) return RunFolder.open(path, config, options);
  let opened: RunFolder | undefined;
  try {
    const { state, files } = await onRankZero(collective, async () => {
      opened = await RunFolder.open(path, config, options);
      const names = (await readdir(path, { recursive: true })).filter((name) => read.test(name));
      const files = names.map(
        async (name): Promise<SentFile> => ({ name, bytes: (await stat(join(path, name))).size }),
      );
      return { state: opened.state, files: await Promise.all(files) };
    });
    // Beside rank 0's, folders of the others; a new run has nothing to read, so theirs is not made.
    opened ??= new FollowedRun(
      join(tmpdir(), `crossgate-rank-${randomUUID()}`),
      state,
      files.some(({ name }) => name === join('checkpoints', 'last.json')),
    );
    await copyFiles(collective, opened.path, files);
    return opened;
  } catch (error) {
    // What then fails as well, such as a folder that was never made, says less.
    await opened?.abandon().catch(() => {});
    throw error;
  }
}

/** Bytes that are read, sent and written at once. */
const pieceBytes = 2 ** 24;

/**
 * Gives every rank the files of rank 0. All ranks send or receive every piece, whatever fails on one of them, and say in
 * the end whether something did.
 * @param folder where the files are on rank 0, and where they shall be on this one
 */
async function copyFiles(collective: Collective, folder: string, files: readonly SentFile[]): Promise<void> {
  const isSender = collective.rank === 0;
  let failure: unknown;
  const attempt = async <T>(body: () => Promise<T>): Promise<T | undefined> => {
    if (failure !== undefined) return undefined;
    return body().catch((error: unknown) => {
      failure = error;
      return undefined;
    });
  };
  for (const { name, bytes } of files) {
    const path = join(folder, name);
    const file = await attempt(async () => {
      if (isSender) return open(path, 'r');
      await makeFolders(dirname(path), 'set TMPDIR to a folder with room');
      return open(path, 'wx');
    });
    try {
      for (let begin = 0; begin < bytes; begin += pieceBytes) {
        const length = Math.min(pieceBytes, bytes - begin);
        const own = isSender ? await attempt(() => readPiece(file!, path, length)) : undefined;
        const piece = await collective.broadcast(own ?? new Uint8Array(0));
        if (!isSender) await attempt(() => file!.writeFile(piece));
      }
    } finally {
      await file?.close().catch((error: unknown) => {
        failure ??= error;
      });
    }
  }
  await failTogether(collective, failure);
}

/** The next bytes of a file, as many as it had left when it was looked at. */
async function readPiece(file: FileHandle, path: string, length: number): Promise<Uint8Array> {
  const piece = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(piece, filled, length - filled);
    if (bytesRead === 0)
      throw new CrossgateError('became shorter while it was read', { code: 'run.damaged', place: path });
    filled += bytesRead;
  }
  return piece;
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
