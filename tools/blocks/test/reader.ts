/** A folder as a reader of the documentation has it: data, models, finished runs, and files of their own. */
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runCli } from '../../../apps/train/test/cli';
import { inventedMl1m, writeTinyModel } from '../../../packages/testing/src/node';
import { root } from '../../site/pages.mjs';
import { briefCf as brief } from '../shortened.mjs';

/** Invented films and ratings, in which ids and genres of the documentation occur. */
function films(): Record<string, string> {
  const files = inventedMl1m(36, 30);
  const ids: Record<string, string> = { 25: '1193', 26: '661', 27: '914', 28: '318', 29: '858', 30: '50' };
  const renamed = (id: string) => ids[id] ?? id;
  const lines = files['ml-1m/ratings.dat']!.trim().split('\n');
  // Nobody has seen everything, so that there is something to recommend.
  const ratings = lines.flatMap((line) => {
    const [user = '', item = '', ...rest] = line.split('::');
    return (Number(user) + Number(item)) % 4 === 0 ? [] : [[user, renamed(item), ...rest].join('::')];
  });
  const movies = files['ml-1m/movies.dat']!.replace(/^(\d+)::/gm, (_, item) => `${renamed(item)}::`);
  const comedies = movies.replace(/^(\d*[02468])::(.*)::Drama$/gm, '$1::$2::Comedy');
  return { 'data/ml-1m/ratings.dat': `${ratings.join('\n')}\n`, 'data/ml-1m/movies.dat': comedies };
}

/** Purchases of 36 customers in a shop, over the last months of 2024. */
function purchases(): string {
  const lines = Array.from({ length: 36 * 12 }, (_, row) => {
    const [customer, sku] = [(row % 36) + 1, ((row * 7) % 20) + 1];
    const day = new Date(Date.UTC(2024, 7, 1) + row * 7 * 3600_000);
    const stars = (customer + sku) % 3 === 0 ? 2 : 5;
    return `${customer},sku-${sku},${stars},${day.toISOString().slice(0, 10)},${day.getTime() / 1000}`;
  });
  return `customer,sku,rating,bought_at,timestamp\n${lines.join('\n')}\n`;
}

const titles = Array.from({ length: 20 }, (_, index) => `sku-${index + 1},Thing ${index + 1},odds,ours,${index + 1}`);

/** Files by path. */
const files: Record<string, string> = {
  ...films(),
  'shop/purchases.csv': purchases(),
  'shop/items.csv': `item,title,genre,brand,price\n${titles.join('\n')}\n`,
  'pairs.csv': 'user,item\n36,858\n1,50\n2,318\n1,318\n',
  'may.jsonl': '{"user":36,"item":858}\n',
  'june/1.csv': 'item,user\n50,1\n318,2\n',
  'new.csv': 'item,title\n858,Invented Film 29 (1990)\n50,Invented Film 30 (1990)\n',
  'grown.csv': 'user,item,rating,timestamp\n36,318,5,1100000000\n',
  'tokens.txt': `${'0123456789abcdef'.repeat(4)}\n`,
  'my-program.mjs': '',
};

/** Runs that the documentation names, with the arguments of `train` that make them. */
const runs: Record<string, string[]> = {
  'mean-1': ['configs/ml-1m/mean.yaml'],
  'mf-1': ['configs/ml-1m/mf.yaml', ...brief],
  // MF stands for runs with a language model, whose commands take more time; tests of apps/train run these.
  'ccf-1': ['configs/ml-1m/mf.yaml', ...brief, '--set', 'cf.cfDim=8'],
};

/** Runs a command of the program. @throws Error when it fails, with what it said */
export async function crossgate(cwd: string, ...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(argv, { cwd });
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr.trim().split('\n').slice(-2).join(' ')}`);
  return stdout;
}

/** Fills `cwd`, an empty folder. */
export async function makeReader(cwd: string): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, path)), { recursive: true });
    await writeFile(join(cwd, path), text);
  }
  await writeFile(join(cwd, 'shop/orders.csv'), files['shop/purchases.csv']!);
  await writeTinyModel(join(cwd, 'models/stories260K/hf'));
  // A path names a model, whether it is a file or a folder.
  await symlink('stories260K/hf', join(cwd, 'models/stories260K.gguf'));
  for (const folder of ['configs', 'docs']) await symlink(join(root, folder), join(cwd, folder));
  for (const [name, args] of Object.entries(runs)) await crossgate(cwd, 'train', ...args, '--run', `runs/${name}`);
  await symlink('ccf-1', join(cwd, 'runs/ccf-mf-stories260k-1'));
  await crossgate(cwd, 'init', '--csv', 'shop/orders.csv');
  await crossgate(cwd, 'train', 'crossgate.yaml', ...brief);
  await symlink('crossgate-1', join(cwd, 'runs/april'));
  // Each page begins without a config of the one before.
  await rename(join(cwd, 'crossgate.yaml'), join(cwd, 'shop.yaml'));
}
