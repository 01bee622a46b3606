/** `api-llm` from config to scores, against a local endpoint: nothing is asked twice, nothing without consent, the key lies nowhere. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InterruptedError, type Log } from '@crossgate/core';
import { listAdapters } from '@crossgate/gpu/node';
import { type ChatEndpoint, chatBody, folderWith, inventedMl1m, startChatEndpoint } from '@crossgate/testing/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type ExperimentResult,
  exportChats,
  loadConfig,
  openRun,
  openSession,
  paperProfiles,
  type RunOptions,
  reproducePaper,
  runExperiment,
  type SessionOptions,
} from '../src';

const adapters = await listAdapters();
const KEY = 'sk-never-written-4242';

let cwd: string;
let endpoint: ChatEndpoint;
let said: string[];
const log: Log = {
  debug: (message) => said.push(message),
  info: (...parts: unknown[]) => said.push(JSON.stringify(parts)),
  warn: (message) => said.push(message),
};
beforeEach(async () => {
  said = [];
  // Films of an even number are liked.
  endpoint = await startChatEndpoint(({ prompt }) => (isEven(prompt) ? 'Yes' : 'No.'));
  cwd = await folderWith({
    ...inventedMl1m(14, 9),
    'api.yaml': 'method: api-llm\ndata: { path: ml-1m }\nprompt: { noun: movies, historyLength: 3 }\n',
    'mf.yaml': 'method: mf\ndata: { path: ml-1m }\ncf: { cfDim: 8, epochs: 2, batchSize: 16 }\n',
  });
});
afterEach(() => endpoint.close());

const isEven = (prompt: string) => Number(/movie "Invented Film (\d+) /.exec(prompt)![1]) % 2 === 0;
const config = (...set: string[]) =>
  loadConfig('api.yaml', { cwd, set: [`api.baseUrl=${endpoint.baseUrl}`, 'api.model=closed-1', ...set] });
const session = (options: SessionOptions = {}) =>
  openSession({ cwd, log, env: { OPENAI_API_KEY: KEY }, confirm: async () => {}, ...options });
const run = async (set: string[] = [], options: RunOptions = { run: 'run' }): Promise<ExperimentResult> =>
  runExperiment(await config(...set), session(), options);
const answersOf = (result: ExperimentResult) => result.details.answers as Record<string, Record<string, number>>;

/** Rows of a file of predictions: item and score. */
async function predictions(split: string, folder = 'run') {
  const [head, ...lines] = (await readFile(join(cwd, folder, 'predictions', `${split}.csv`), 'utf8'))
    .trim()
    .split('\n');
  const columns = head!.split(',');
  return lines.map((line) => {
    const cells = line.split(',');
    return { item: cells[columns.indexOf('item')]!, score: Number(cells[columns.indexOf('score')]) };
  });
}

/** Fails if a file of the folder, or anything that was said, holds the key. */
async function expectNoKey(...more: string[]) {
  for (const entry of await readdir(cwd, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    expect(readFileSync(path, 'latin1').includes('never-written'), path).toBe(false);
  }
  expect([...said, ...more].join('\n')).not.toContain('never-written');
}

describe('a run', () => {
  it('asks each prompt once, scores its answers and says what it took', async () => {
    const result = await run(['api.pricePerMillion.input=1', 'api.pricePerMillion.output=4']);
    const prompts = new Set(endpoint.chats.map(({ prompt }) => prompt));
    expect(prompts.size).toBe(endpoint.chats.length);
    const [first] = endpoint.chats;
    expect(first!.prompt).toMatch(
      /^#Question: A user has given high ratings to the following movies: .* whether the user would enjoy the movie "/,
    );
    expect(first!.body).toMatchObject({ model: 'closed-1', max_tokens: 16, temperature: 0, logprobs: true });
    for (const split of ['valid', 'test']) {
      const rows = await predictions(split);
      expect(rows.length).toBeGreaterThan(5);
      for (const { item, score } of rows) expect(score).toBe(Number(item) % 2 === 0 ? 1 : 0);
      expect(answersOf(result)[split]).toMatchObject({ rows: rows.length, refused: 0, withLogprobs: 0 });
    }
    const { calls, tokens, cost, model, refused } = result.details as Record<string, never>;
    expect({ calls, tokens, model, refused }).toEqual({
      calls: endpoint.chats.length,
      tokens: { input: 20 * endpoint.chats.length, output: 2 * endpoint.chats.length, uncounted: 0 },
      model: 'closed-1',
      refused: 0,
    });
    expect(cost).toBeCloseTo((28 * endpoint.chats.length) / 1e6, 12);
    expect([result.information, result.adapter]).toEqual(['H', null]);
    await expectNoKey(JSON.stringify(result));
  });

  it('counts what is neither Yes nor No as .5, and says so', async () => {
    endpoint.reply = ({ prompt }) => {
      if (isEven(prompt)) return "I'm sorry, I can't predict that.";
      return { body: chatBody('', { finish_reason: 'length' }) };
    };
    const result = await run(['evaluation.splits=[test]']);
    const rows = await predictions('test');
    expect(rows.every(({ score }) => score === 0.5)).toBe(true);
    expect(result.details.refused).toBe(rows.length);
    expect(answersOf(result).test).toMatchObject({ yes: 0, no: 0, refused: rows.length });
    expect(answersOf(result).test!.cutOff).toBeGreaterThan(0);
    expect(result.metrics.test!.auc).toBe(0.5);
    expect(said.join('\n')).toMatch(/test: (\d+) of \1 answers are neither Yes nor No.*cut off by api.maxTokens/);
  });

  it('uses log probabilities where they are given', async () => {
    const top = (yes: number) => [
      { token: 'Yes', logprob: Math.log(yes) },
      { token: 'No', logprob: Math.log(0.9 - yes) },
    ];
    endpoint.reply = ({ prompt }) => {
      const yes = isEven(prompt) ? 0.6 : 0.1;
      const [likely] = top(yes).sort((a, b) => b.logprob - a.logprob);
      const content = [{ ...likely, top_logprobs: top(yes) }];
      return { body: chatBody(likely!.token, { logprobs: { content } }) };
    };
    const result = await run(['evaluation.splits=[test]']);
    for (const { item, score } of await predictions('test')) {
      expect(score).toBeCloseTo(Number(item) % 2 === 0 ? 0.6 / 0.9 : 0.1 / 0.9, 8);
    }
    expect(answersOf(result).test!.withLogprobs).toBe(answersOf(result).test!.rows);
    await run(['evaluation.splits=[test]', 'api.logprobs=false'], { run: 'without' });
    expect(endpoint.chats.at(-1)!.body).not.toHaveProperty('logprobs');
  });

  it('leaves no trace of a key that the endpoint gives back in answers and errors', async () => {
    endpoint.reply = ({ count }) =>
      count === 1
        ? { status: 429, headers: { 'retry-after-ms': '1' }, body: { error: { message: `limit of ${KEY}` } } }
        : `Your key is ${KEY}`;
    const result = await run(['evaluation.splits=[test]']);
    expect(readFileSync(join(cwd, 'run', 'answers.jsonl'), 'utf8')).toContain('Your key is [key]');
    endpoint.reply = () => ({ status: 401, body: { error: { message: `bad key ${KEY}` } } });
    const refused: unknown = await run([], { run: 'refused' }).catch((error: unknown) => error);
    expect(String(refused)).toMatch(/refuses the key.*\[key\]/);
    expect(existsSync(join(cwd, 'refused'))).toBe(false);
    await expectNoKey(JSON.stringify(result), (refused as Error).stack ?? '');
  });

  it('asks for consent first, with calls, tokens and cost; without it, nothing is sent and nothing is left', async () => {
    const refusing = openSession({ cwd, env: { OPENAI_API_KEY: KEY } });
    const begun = runExperiment(await config('evaluation.splits=[test]'), refusing, { run: 'run' });
    await expect(begun).rejects.toMatchObject({
      code: 'api.unconfirmed',
      message: expect.stringMatching(/closed-1 at http.*: \d+ calls with about [\d,]+ tokens .*; cost unknown/),
    });
    const asked: string[] = [];
    const priced = await config('api.pricePerMillion.input=2', 'api.pricePerMillion.output=8');
    const confirm = async (estimate: string) => {
      expect(endpoint.chats).toEqual([]);
      asked.push(estimate);
      throw new InterruptedError();
    };
    await expect(runExperiment(priced, session({ confirm }), { run: 'run' })).rejects.toThrow(InterruptedError);
    expect(asked).toEqual([expect.stringMatching(/cost at most about 0\.0\d+$/)]);
    expect(existsSync(join(cwd, 'run'))).toBe(false);
  });

  it.each([
    ['a model', ['api.model=null'], { OPENAI_API_KEY: KEY }, /api\.model: .*--set api.model=NAME/],
    ['a key', [], {}, /api\.keyVariable: .*OPENAI_API_KEY.*not set/],
    ['the key of the variable', ['api.keyVariable=OTHER_KEY'], { OPENAI_API_KEY: KEY }, /OTHER_KEY/],
  ])('needs %s', async (_, set, env, words) => {
    const begun = runExperiment(await config(...set), session({ env: env as Record<string, string> }), { run: 'run' });
    await expect(begun).rejects.toMatchObject({ code: 'api.unset', message: expect.stringMatching(words) });
    expect(existsSync(join(cwd, 'run'))).toBe(false);
  });

  it.each([['https://user:secret@host/v1'], ['https://host/v1?key=secret'], ['ftp://host/v1'], ['host']])(
    'refuses the address %s',
    async (url) => {
      await expect(config(`api.baseUrl=${url}`)).rejects.toThrow(/api.baseUrl: must be an http or https address/);
    },
  );
});

describe('a resumed run', () => {
  it('asks nothing twice after an interrupt, not even what was under way', async () => {
    const stop = new AbortController();
    endpoint.reply = async ({ prompt }) => {
      if (endpoint.chats.length === 7) stop.abort();
      // Answered after the interrupt.
      await new Promise((resolve) => setTimeout(resolve, 5));
      return isEven(prompt) ? 'Yes' : 'No';
    };
    const begun = runExperiment(await config(), session({ signal: stop.signal }), { run: 'run' });
    await expect(begun).rejects.toThrow(InterruptedError);
    const before = endpoint.chats.length;
    expect(before).toBeGreaterThanOrEqual(7);
    expect(before).toBeLessThan(11);
    expect(said.join()).toMatch(/waiting for \d answers that are under way/);
    const asked: string[] = [];
    const confirm = async (estimate: string) => void asked.push(estimate);
    const result = await runExperiment(await config('api.concurrency=1'), session({ confirm }), {
      run: 'run',
      resume: true,
    });
    const prompts = endpoint.chats.map(({ prompt }) => prompt);
    expect(new Set(prompts).size).toBe(prompts.length);
    expect(asked).toEqual([expect.stringContaining(`: ${prompts.length - before} calls`)]);
    expect(result.details.calls).toBe(prompts.length);
  });

  it('goes on after an endpoint that failed for good, and drops a line that was not written whole', async () => {
    endpoint.reply = ({ prompt }) =>
      endpoint.chats.length > 6 ? { status: 500, body: 'down' } : isEven(prompt) ? 'Yes' : 'No';
    await expect(run(['api.retries=0'])).rejects.toMatchObject({
      code: 'run.broken-off',
      fix: 'with --resume the run goes on from the answers that it has',
    });
    const stored = endpoint.chats.slice(0, 6).map(({ prompt }) => prompt);
    const failed = endpoint.chats.length;
    appendFileSync(join(cwd, 'run', 'answers.jsonl'), '{"key":"12');
    endpoint.reply = ({ prompt }) => (isEven(prompt) ? 'Yes' : 'No');
    const resumed = await run(['api.retries=3'], { run: 'run', resume: true });
    const later = endpoint.chats.slice(failed).map(({ prompt }) => prompt);
    expect(later.filter((prompt) => stored.includes(prompt))).toEqual([]);
    expect(said.join()).toContain('the last line is not whole');
    const whole = await run([], { run: 'whole' });
    expect(resumed.metrics).toEqual(whole.metrics);
  });

  it('needs no consent where every answer is there', async () => {
    await run();
    const calls = endpoint.chats.length;
    const { rm } = await import('node:fs/promises');
    await rm(join(cwd, 'run', 'result.json'));
    const unasked = openSession({ cwd, env: { OPENAI_API_KEY: KEY } });
    await runExperiment(await config(), unasked, { run: 'run', resume: true });
    expect(endpoint.chats.length).toBe(calls);
  });

  it('is refused with another model, as any other config', async () => {
    endpoint.reply = () => (endpoint.chats.length > 3 ? { status: 404, body: 'gone' } : 'Yes');
    await expect(run()).rejects.toThrow(/gone/);
    await expect(run(['api.model=closed-2'], { run: 'run', resume: true })).rejects.toThrow(/api.model was "closed-1"/);
  });
});

it('a finished run scores rows from its answers and asks for new pairs alone', async () => {
  await run();
  const calls = endpoint.chats.length;
  const { scorer, dataset } = await openRun(session(), 'run', ['api.concurrency=2']);
  try {
    const { user, item, rows } = dataset.splits.test;
    const place = Array.from({ length: rows }, (_, row) => ({ split: 'test' as const, row }));
    const again = await scorer.scorePairs({ user: Int32Array.from(user), item: Int32Array.from(item), place });
    expect([...again.score]).toEqual((await predictions('test')).map(({ score }) => score));
    expect(endpoint.chats.length).toBe(calls);
    const { items, scores } = await scorer.best(1, { count: 2, candidates: Int32Array.of(1, 2, 4) });
    expect(endpoint.chats.length).toBeGreaterThan(calls);
    const ids = Array.from(items, (id) => Number(dataset.items[id]!.id) % 2);
    expect([ids.length, scores.score.length]).toEqual([2, 2]);
    expect(scores.score[0]).toBeGreaterThanOrEqual(scores.score[1]!);
  } finally {
    await scorer.close();
  }
  await expectNoKey();
});

describe('fine-tuning', () => {
  /** An endpoint with jobs. `status` gives that of each look. */
  function jobs(status: (look: number) => Record<string, unknown>) {
    const seen = { files: [] as string[], created: [] as Record<string, unknown>[], looks: 0, listed: 0 };
    endpoint.other = (path, method, body) => {
      if (path === '/v1/files') {
        seen.files.push(body);
        return { id: `file-${seen.files.length}`, object: 'file' };
      }
      if (path === '/v1/fine_tuning/jobs' && method === 'POST') {
        seen.created.push(JSON.parse(body));
        return { id: `job-${seen.created.length}`, status: 'queued' };
      }
      if (path.startsWith('/v1/fine_tuning/jobs?')) {
        seen.listed++;
        return {
          object: 'list',
          data: seen.created.map((job, i) => ({ ...job, id: `job-${i + 1}`, status: 'running' })),
        };
      }
      if (path.startsWith('/v1/fine_tuning/jobs/job-')) return { id: path.slice(21), ...status(++seen.looks) };
      return undefined;
    };
    return seen;
  }
  const tuned = ['api.fineTune=true', 'api.pollEvery=0.001', 'training.stage1.rows=5', 'training.stage1.epochs=2'];

  it('uploads, starts, waits and scores with the tuned model', async () => {
    const seen = jobs((look) => ({
      status: ['queued', 'running', 'succeeded'][look - 1]!,
      fine_tuned_model: look === 3 ? 'ft:closed-1:x' : null,
    }));
    const asked: string[] = [];
    const confirm = async (estimate: string) => void asked.push(estimate);
    const result = await runExperiment(await config(...tuned), session({ confirm }), { run: 'run' });
    expect(asked).toEqual([expect.stringMatching(/fine-tuning on about [\d,]+ tokens, then \d+ calls/)]);
    expect(seen.created).toEqual([expect.objectContaining({ model: 'closed-1', training_file: 'file-1', seed: 1 })]);
    expect(JSON.stringify(seen.created[0])).toContain('"n_epochs":2');
    expect(new Set(endpoint.chats.map(({ body }) => body.model))).toEqual(new Set(['ft:closed-1:x']));
    expect(result.details).toMatchObject({ model: 'ft:closed-1:x', fineTune: { job: 'job-1', file: 'file-1' } });
    const lines = readFileSync(join(cwd, 'run', 'fine-tune.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(seen.files[0]).toContain(lines[0]);
    const messages = lines.map((line) => JSON.parse(line).messages);
    expect(messages).toHaveLength(5);
    for (const chat of messages) {
      expect(chat.map(({ role }: { role: string }) => role)).toEqual(['user', 'assistant']);
      expect(['Yes', 'No']).toContain(chat[1].content);
    }
    const { scorer } = await openRun(session(), 'run', []);
    await scorer.best(1, { count: 1, candidates: Int32Array.of(3) });
    await scorer.close();
    expect(endpoint.chats.at(-1)!.body.model).toBe('ft:closed-1:x');
    await expectNoKey();
  });

  it('waits for its job when it is resumed, and starts no second one', async () => {
    const stop = new AbortController();
    const seen = jobs((look) => {
      if (look === 2) stop.abort();
      return look > 3 ? { status: 'succeeded', fine_tuned_model: 'ft:2' } : { status: 'running' };
    });
    const begun = runExperiment(await config(...tuned), session({ signal: stop.signal }), { run: 'run' });
    await expect(begun).rejects.toThrow(InterruptedError);
    expect(endpoint.chats).toEqual([]);
    const result = await run(tuned, { run: 'run', resume: true });
    expect([seen.files.length, seen.created.length, seen.listed]).toEqual([1, 1, 0]);
    expect(result.details.model).toBe('ft:2');
  });

  it('finds a job that was started by a process that was killed before it knew', async () => {
    const seen = jobs(() => ({ status: 'succeeded', fine_tuned_model: 'ft:3' }));
    const handle = endpoint.other!;
    endpoint.other = (path, method, body) => {
      const answer = handle(path, method, body);
      // The job is started, and its answer is nonsense.
      return path === '/v1/fine_tuning/jobs' && method === 'POST' ? { nonsense: true } : answer;
    };
    await expect(run([...tuned, 'api.retries=0'])).rejects.toMatchObject({ code: 'run.broken-off' });
    const result = await run(tuned, { run: 'run', resume: true });
    expect([seen.created.length, result.details.model]).toEqual([1, 'ft:3']);
  });

  it('tells why a job failed; a resumed run starts another', async () => {
    const seen = jobs((look) =>
      look === 1
        ? { status: 'failed', error: { message: `bad rows of ${KEY}` } }
        : { status: 'succeeded', fine_tuned_model: 'ft:4' },
    );
    const failed: unknown = await run(tuned).catch((error: unknown) => error);
    expect(String(failed)).toMatch(/fine-tuning job job-1 is failed: bad rows of \[key\]/);
    const result = await run(tuned, { run: 'run', resume: true });
    expect([seen.created.length, result.details.model]).toEqual([2, 'ft:4']);
  });
});

it('exports the rows that it would tune on, and those that it scores', async () => {
  const lines = async (split: 'train' | 'test', ...set: string[]) => {
    const found = [];
    for await (const line of exportChats(await config(...set), session(), split)) found.push(JSON.parse(line));
    return found;
  };
  const train = await lines('train', 'training.stage1.rows=4', 'api.system=Be brief.');
  expect(train).toHaveLength(4);
  expect(train[0].messages.map(({ role }: { role: string }) => role)).toEqual(['system', 'user', 'assistant']);
  await run(['evaluation.splits=[test]']);
  const test = await lines('test');
  expect(test).toHaveLength((await predictions('test')).length);
  expect(new Set(endpoint.chats.map(({ prompt }) => prompt))).toEqual(
    new Set(test.map(({ messages }) => messages[0].content)),
  );
  await expect(lines('train', 'prompt.neighbors=true')).rejects.toThrow(/cf.run/);
  const other = await loadConfig('mf.yaml', { cwd });
  await expect(exportChats(other, session(), 'train').next()).rejects.toThrow(/method: is mf/);
});

describe.skipIf(adapters.length === 0)('with neighbors', () => {
  const neighbors = ['prompt.neighbors=true', 'prompt.neighborCount=2', 'prompt.excludeTarget=true', 'cf.cfDim=8'];
  const short = ['cf.epochs=2', 'cf.batchSize=16', 'evaluation.splits=[test]'];

  it('names what a CF run recommends, or a model that it trains; a finished run does too', async () => {
    const mf = session();
    await runExperiment(await loadConfig('mf.yaml', { cwd }), mf, { run: 'mf' });
    await mf.close();
    const taken = await run([...neighbors, 'cf.run=mf', 'evaluation.splits=[test]']);
    const first = endpoint.chats.map(({ prompt }) => prompt);
    for (const prompt of first) {
      const [, named, target] = /may also enjoy: (.*?)\. Using.* enjoy the movie (".*?")\. Answer/.exec(prompt)!;
      expect(named!.split(', ')).toHaveLength(2);
      expect(named).not.toContain(target);
    }
    const trained = await run([...neighbors, ...short], { run: 'trained' });
    expect(endpoint.chats.slice(first.length).every(({ prompt }) => prompt.includes('may also enjoy: "'))).toBe(true);
    expect([taken.adapter, trained.adapter]).toEqual([expect.any(String), expect.any(String)]);
    expect(trained.details.cf).toMatchObject({ model: 'mf', epochs: 2 });
    const calls = endpoint.chats.length;
    const { scorer, dataset } = await openRun(session(), 'trained', []);
    const { user, item, rows } = dataset.splits.test;
    const place = Array.from({ length: rows }, (_, row) => ({ split: 'test' as const, row }));
    await scorer.scorePairs({ user: Int32Array.from(user), item: Int32Array.from(item), place });
    await scorer.close();
    expect(endpoint.chats.length).toBe(calls);
    let lines = 0;
    for await (const line of exportChats(await config(...neighbors, 'cf.run=mf'), session(), 'train')) {
      expect(line).toContain('may also enjoy');
      lines++;
    }
    expect(lines).toBe(dataset.splits.train.rows);
  });

  it('refuses a CF model that has no one list for a user, before anything is asked', async () => {
    await expect(run([...neighbors, 'cf.model=sasrec'])).rejects.toThrow(/choose mf or lightgcn/);
    expect([endpoint.chats.length, existsSync(join(cwd, 'run'))]).toEqual([0, false]);
  });
});

describe.skipIf(adapters.length === 0)('the closed models of the paper', { timeout: 120_000 }, () => {
  const closed = async (set: string[], env: Record<string, string>) => {
    const profile = paperProfiles.find(({ name }) => name === 'smoke')!;
    const configs = join(import.meta.dirname, '../../../configs');
    const plan = { profile, configs, cwd, seeds: [1, 2], set: ['cf.epochs=1', 'evaluation.testRows=12', ...set] };
    const { rows } = await reproducePaper(plan, session({ env }), {
      ...{ parts: ['table2'], only: ['closed-zero-shot'], out: 'paper' },
    });
    // Beside the baselines, which every table has.
    return rows.filter(({ id }) => id.includes('closed'));
  };

  it('say what they need, and run once it is given', async () => {
    const [withCf, without] = await closed([], { OPENAI_API_KEY: KEY });
    for (const row of [withCf, without]) {
      expect(row).toMatchObject({ status: 'absent', reason: expect.stringMatching(/api.model.*--set api.model=NAME/) });
    }
    endpoint.reply = ({ prompt }) => (prompt.length % 2 === 0 ? 'Yes' : 'No');
    const named = ['api.model=closed-1', `api.baseUrl=${endpoint.baseUrl}`];
    expect((await closed(named, {}))[0]).toMatchObject({
      status: 'absent',
      reason: expect.stringMatching(/OPENAI_API_KEY/),
    });
    const rows = await closed(named, { OPENAI_API_KEY: KEY });
    for (const row of rows) expect(row).toMatchObject({ status: 'done', seeds: [1], published: expect.any(Number) });
    expect(endpoint.chats).toHaveLength(24);
    expect(endpoint.chats.filter(({ prompt }) => prompt.includes('Users like these'))).toHaveLength(12);
    // Done once, they are not asked again, though the endpoint is used in another way.
    await closed([...named, 'api.concurrency=1'], { OPENAI_API_KEY: KEY });
    expect(endpoint.chats).toHaveLength(24);
  });
});
