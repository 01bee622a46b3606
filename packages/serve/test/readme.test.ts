/** The README is true: its client runs against a server, and its table lists every code. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { folderWith } from '@crossgate/testing/node';
import { transform } from 'esbuild';
import { expect, it } from 'vitest';
import { listen, problemCodes } from '../src';
import { endpoints } from '../src/endpoints';
import { serverOf } from './ask';

const readme = await readFile(join(import.meta.dirname, '../README.md'), 'utf8');

it('shows a client in ten lines that runs', async () => {
  const [, client = ''] = /^```ts\n([\s\S]*?)^```/m.exec(readme) ?? [];
  const statements = client.split('\n').filter((line) => line.trim() !== '');
  expect(statements).toHaveLength(10);
  const { code } = await transform(client, { loader: 'ts', format: 'esm' });
  const folder = await folderWith();
  await writeFile(join(folder, 'client.mjs'), code);
  const token = 'token-of-this-test-0123';
  const { server } = await serverOf({ tokens: [token] });
  await using listening = await listen(server, { port: 0 });
  const run = (user: string) =>
    promisify(execFile)(process.execPath, [join(folder, 'client.mjs'), user], {
      env: { ...process.env, CROSSGATE_URL: listening.url, CROSSGATE_TOKEN: token },
    });
  const { stdout } = await run('u1');
  expect(stdout).toMatch(/^(0\.\d{3} Title \d+\n){5}$/);
  await expect(run('nobody')).rejects.toThrow(/unknown-user: no such user/);
});

it('lists every endpoint and every code', async () => {
  const codes = Object.entries(problemCodes).map(
    ([code, [status, meaning]]) => `| ${status} | \`${code}\` | ${meaning} |`,
  );
  const [, table] = /<!-- codes -->\n[^\n]*\n[^\n]*\n([\s\S]*?)\n<!-- \/codes -->/.exec(readme) ?? [];
  expect(table?.split('\n')).toEqual(codes);
  for (const { path } of Object.values(endpoints)) expect(readme).toContain(`\`${path}\``);
});
