// Writes a file that appears whole or not at all, under a lock that a second process would be refused.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireLock, readText, writeAtomic } from '@crossgate/files';

const folder = await mkdtemp(join(tmpdir(), 'crossgate-files-'));
const lock = await acquireLock(join(folder, 'run.lock'));
await writeAtomic(join(folder, 'notes.txt'), 'whole\n');
await writeAtomic(
  join(folder, 'broken.txt'),
  (function* () {
    yield 'half';
    throw new Error('the disk is full');
  })(),
).catch((error) => console.log(error.message));
await lock.release();
console.log(await readdir(folder), await readText(join(folder, 'notes.txt'), 'note')); // broken.txt is not there
await rm(folder, { recursive: true });
