/** `api-llm` on the command line: consent by --yes or at a terminal, the export, and scores of new pairs. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { type ChatEndpoint, folderWith, inventedMl1m, startChatEndpoint } from '@crossgate/testing/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../src/cli';
import { runCli } from './cli';

const env = { OPENAI_API_KEY: 'sk-cli-secret' };
let endpoint: ChatEndpoint;
let cwd: string;
beforeEach(async () => {
  endpoint = await startChatEndpoint(({ prompt }) => (prompt.includes('Film 3') ? 'Yes' : 'No'));
  cwd = await folderWith({
    ...inventedMl1m(14, 9),
    'api.yaml': `method: api-llm
data: { path: ml-1m }
api: { baseUrl: ${endpoint.baseUrl}, model: closed-1, pricePerMillion: { input: 1, output: 2 } }
evaluation: { splits: [test] }
`,
    'pairs.csv': 'user,item\n1,2\n1,3\n',
    'few.txt': '1\n2\n',
  });
});
afterEach(() => endpoint.close());

describe('train', () => {
  it('refuses without --yes, with the estimate, and leaves nothing', async () => {
    const { code, stdout, stderr } = await runCli(['train', 'api.yaml', '--run', 'run', '--json'], { cwd, env });
    expect(code).toBe(2);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'api.unconfirmed', fix: 'add --yes to agree' });
    expect(stderr).toMatch(
      /^error: closed-1 at http.* \d+ calls with about [\d,]+ tokens.*cost at most about .*--yes/m,
    );
    expect([endpoint.chats.length, existsSync(join(cwd, 'run'))]).toEqual([0, false]);
  });

  it('shows the estimate and runs with --yes; predict and recommend need it too', async () => {
    const trained = await runCli(['train', 'api.yaml', '--run', 'run', '--yes', '--json'], { cwd, env });
    expect([trained.code, trained.stderr]).toEqual([0, expect.stringMatching(/\d+ calls with about/)]);
    expect(JSON.parse(trained.stdout)).toMatchObject({
      method: 'api-llm',
      metrics: { test: { auc: expect.any(Number) } },
    });
    expect(trained.stdout + trained.stderr).not.toContain('sk-cli');
    const predict = ['predict', 'run', '--pairs', 'pairs.csv', '--out', 'scores.csv'];
    const refused = await runCli(predict, { cwd, env });
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    expect((await runCli([...predict, '--yes'], { cwd, env })).code).toBe(0);
    expect(await readFile(join(cwd, 'scores.csv'), 'utf8')).toBe('user,item,score\n1,2,0\n1,3,1\n');
    const best = await runCli(['recommend', 'run', '--user', '1', '--top', '1', '--yes', '--json'], { cwd, env });
    expect(best.code).toBe(0);
    const before = endpoint.chats.length;
    const all = ['recommend', 'run', '--all-users', '--candidates', 'few.txt', '--out', 'lists.csv'];
    const unasked = await runCli(all, { cwd, env });
    expect([unasked.code, unasked.stderr]).toEqual([
      2,
      expect.stringMatching(/\d\d calls of closed-1 at .* for 1\d users/),
    ]);
    expect([endpoint.chats.length, existsSync(join(cwd, 'lists.csv.part'))]).toEqual([before, false]);
    const agreed = await runCli([...all, '--yes'], { cwd, env });
    expect([agreed.code, agreed.stderr.match(/calls/g)?.length]).toEqual([0, 1]);
  });

  it.each([
    ['y\n', 0],
    ['n\n', 130],
    ['', 130],
  ])('asks at a terminal: %j ends with %i', async (typed, code) => {
    let stderr = '';
    const io = {
      stdin: Object.assign(Readable.from(typed === '' ? [] : [typed]), { isTTY: true }),
      stdout: new Writable({ write: (_, __, done) => done() }),
      stderr: new Writable({
        write(chunk, _, done) {
          stderr += chunk;
          done();
        },
      }),
      ...{ stderrIsTerminal: true, env, cwd, signal: new AbortController().signal },
    };
    expect(await main(['train', 'api.yaml', '--run', 'run'], io)).toBe(code);
    expect(stderr).toMatch(/calls with about .*Go on\? \[y\/N\]/);
    expect(endpoint.chats.length > 0).toBe(code === 0);
    expect(existsSync(join(cwd, 'run'))).toBe(code === 0);
  });
});

it('api export writes chats without calling anybody', async () => {
  const set = ['--set', 'training.stage1.rows=3', '--set', 'api.model=null'];
  const { code, stdout } = await runCli(['api', 'export', 'api.yaml', '--out', 'train.jsonl', '--json', ...set], {
    cwd,
  });
  expect([code, JSON.parse(stdout)]).toEqual([0, { out: 'train.jsonl', split: 'train', rows: 3 }]);
  const lines = (await readFile(join(cwd, 'train.jsonl'), 'utf8')).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).messages[1].role)).toEqual(['assistant', 'assistant', 'assistant']);
  expect(endpoint.chats).toEqual([]);
});
