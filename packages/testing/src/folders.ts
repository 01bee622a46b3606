/** Small generated inputs in temporary folders. Nothing here is data of third parties. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';

const made: string[] = [];

afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A new folder, removed after the test, with the given files. */
export async function folderWith(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
  made.push(folder);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

/** Every path below a folder, sorted. */
export async function listing(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

/**
 * `--resume` where the run folder is there already: for runs that are broken off at any moment, also before their
 * first.
 */
export function resumeIfBegun(run: string): string[] {
  return existsSync(run) ? ['--resume'] : [];
}

/**
 * Files in the publisher's form of MovieLens-1M, invented: `users` users who each rate `items` items over the whole
 * window.
 */
export function inventedMl1m(users = 12, items = 9): Record<string, string> {
  const start = Date.UTC(2001, 5, 2) / 1000;
  const end = Date.UTC(2003, 0, 30) / 1000;
  const ratings: string[] = [];
  for (let user = 1; user <= users; user++) {
    for (let item = 1; item <= items; item++) {
      // Spread over the window, every user at other moments; liked or not by a rule with exceptions.
      const share = ((item * 7 + user * 5) % (items * 3)) / (items * 3);
      const time = Math.floor(start + share * (end - start)) + user * 60 + item;
      const rating = (user * item + (user % 3)) % 4 < 2 ? 5 : 2;
      ratings.push(`${user}::${item}::${rating}::${time}`);
    }
  }
  const movies = Array.from({ length: items }, (_, index) => `${index + 1}::Invented Film ${index + 1} (1990)::Drama`);
  return { 'ml-1m/ratings.dat': `${ratings.join('\n')}\n`, 'ml-1m/movies.dat': `${movies.join('\n')}\n` };
}
