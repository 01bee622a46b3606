/** `recommend --where`: lists filtered by attributes of items, for one user and for all. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { runCli } from './cli';

const events = Array.from({ length: 120 }, (_, n) => `u${(n * 7) % 10},i${(n * 11) % 30},${n % 3 ? 1 : 0},${n}`);
const items = Array.from(
  { length: 30 },
  (_, n) => `i${n},Thing ${n},${['Tea|Green', 'Tea', 'Bike'][n % 3]},"B, ${n % 2}",${n}`,
);
const config = (attributes: string) =>
  `method: mean\ndata: { name: csv, path: shop, csv: { implicit: null${attributes} } }\n`;
const WITH = ', attributes: [kind, brand, price], attributeSeparator: "|"';

async function aShop(attributes: string): Promise<string> {
  const cwd = await folderWith({
    'shop/interactions.csv': `user,item,label,timestamp\n${events.join('\n')}\n`,
    'shop/items.csv': `item,title,kind,brand,price\n${items.join('\n')}\n`,
    'mean.yaml': config(attributes),
  });
  const { code, stderr } = await runCli(['train', 'mean.yaml', '--run', 'mean', '--quiet'], { cwd });
  expect(code, stderr).toBe(0);
  return cwd;
}

const numbersOf = (list: { items: { item: string }[] }) => list.items.map(({ item }) => Number(item.slice(1)));

it('filters lists for a user and for all users by the same conditions', async () => {
  const cwd = await aShop(WITH);
  const recommend = async (...more: string[]) => {
    const { code, stdout, stderr } = await runCli(['recommend', 'mean', '--json', ...more], { cwd });
    expect(code, stderr).toBe(0);
    return { ...JSON.parse(stdout), stderr };
  };
  const user = ['--user', 'u1', '--top', '4'];
  const tea = await recommend(...user, '--where', 'kind=Tea', '--where', 'price>=9');
  expect(numbersOf(tea)).toHaveLength(4);
  for (const n of numbersOf(tea)) expect(n % 3 < 2 && n >= 9, String(n)).toBe(true);
  const either = numbersOf(await recommend(...user, '--where', 'kind=Green,Bike', '--where', 'kind!=Bike'));
  expect(either.every((n) => n % 3 === 0)).toBe(true);
  const quoted = numbersOf(await recommend(...user, '--where', 'brand="B, 1"', '--where', 'price<=20'));
  expect(quoted.every((n) => n % 2 === 1 && n <= 20)).toBe(true);
  await writeFile(join(cwd, 'some.csv'), 'i3\ni4\ni5\n');
  expect(numbersOf(await recommend(...user, '--candidates', 'some.csv', '--where', 'kind=Tea')).sort()).toEqual([3, 4]);
  const none = await recommend(...user, '--where', 'kind=tea');
  expect(none.items).toEqual([]);
  expect(none.stderr).toContain('no item that passes --where is left to recommend to user u1');

  const all = ['--all-users', '--top', '4', '--where', 'kind=Tea', '--where', 'price>=9'];
  await recommend(...all, '--out', 'lists.jsonl');
  const lines = (await readFile(join(cwd, 'lists.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { stderr: _, ...alone } = tea;
  expect(lines.find((line) => line.user === 'u1')).toEqual(alone);
  expect(lines.flatMap(numbersOf).every((n) => n % 3 < 2 && n >= 9)).toBe(true);

  for (const index of [0, 1]) await recommend(...all, '--shard', `${index}/2`, '--format', 'jsonl', '--out', 'parts');
  expect((await runCli(['merge', 'parts', '--out', 'merged.jsonl'], { cwd })).code).toBe(0);
  expect(await readFile(join(cwd, 'merged.jsonl'), 'utf8')).toBe(await readFile(join(cwd, 'lists.jsonl'), 'utf8'));
});

it.each([
  [
    ['kinds=Tea'],
    /^error: --where kinds=Tea: "kinds" is no attribute of the items; there are kind, brand, price \(did you mean kind\?\)$/m,
  ],
  [['kind'], /--where kind: is no condition; write NAME=VALUE/],
  [['price>=cheap'], /--where price>=cheap: price holds numbers, and this is none/],
  [['kind>=5'], /--where kind>=5: kind holds texts, which take = and !=/],
])('refuses %s before it writes anything', async (conditions, message) => {
  const cwd = await aShop(WITH);
  const where = conditions.flatMap((each) => ['--where', each]);
  for (const target of [
    ['--user', 'u1'],
    ['--all-users', '--out', 'lists.csv'],
    ['--all-users', '--shard', '0/2', '--out', 'parts'],
  ]) {
    const { code, stdout, stderr } = await runCli(['recommend', 'mean', ...target, ...where], { cwd });
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
  }
});

it('says that a run has no attributes, and takes those of a folder that is prepared with some', async () => {
  const cwd = await aShop('');
  const argv = ['recommend', 'mean', '--user', 'u1', '--where', 'kind=Tea', '--json'];
  const refused = await runCli(argv, { cwd });
  expect(refused.stderr).toContain(
    '--where kind=Tea: the data set has no attributes of items; of CSV files, data.csv.attributes names the columns',
  );
  const set = ['data.csv.attributes=[kind,price]', 'data.csv.attributeSeparator=|'].flatMap((each) => ['--set', each]);
  const prepared = await runCli(['data', 'prepare', 'csv', '--source', 'shop', '--out', 'rich', ...set], { cwd });
  expect(prepared.code, prepared.stderr).toBe(0);
  const { code, stdout, stderr } = await runCli([...argv, '--set', 'data.path=rich'], { cwd });
  expect(code, stderr).toBe(0);
  expect(numbersOf(JSON.parse(stdout)).every((n) => n % 3 < 2)).toBe(true);
  // The other way round, the folder lacks what the config asks for.
  await writeFile(join(cwd, 'rich.yaml'), config(WITH));
  await runCli(['data', 'prepare', 'csv', '--source', 'shop', '--out', 'plain'], { cwd });
  const other = await runCli(['train', 'rich.yaml', '--set', 'data.path=plain'], { cwd });
  expect(other.stderr).toMatch(/plain: was prepared with other options \(attributes: none, not \{"columns":/);
});

it('knows the genres and years of MovieLens', async () => {
  const cwd = await folderWith({ ...inventedMl1m(14, 9), 'mean.yaml': 'method: mean\ndata: { path: ml-1m }\n' });
  await runCli(['train', 'mean.yaml', '--run', 'mean', '--quiet'], { cwd });
  const { stderr } = await runCli(['recommend', 'mean', '--user', '1', '--where', 'genre=Comedy'], { cwd });
  expect(stderr).toContain('"genre" is no attribute of the items; there are genres, year');
});
