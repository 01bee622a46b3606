/** The parts of `api-llm`: verdicts and their logits, limits, waits, and the file of answers. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InterruptedError, silentLog } from '@crossgate/core';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { type Answer, countAnswers, logitOf, parseVerdict, scoresOfAnswers } from '../src/runners/api-llm-answers';
import { AnswerCache, answerKey, readAnswers } from '../src/runners/api-llm-cache';
import { readKey, retryAfter } from '../src/runners/api-llm-client';
import { costOf } from '../src/runners/api-llm-estimate';
import { type Clock, Pacer, systemClock } from '../src/runners/api-llm-pacer';

describe('parseVerdict', () => {
  it.each([
    ...['Yes', 'yes.', ' "Yes"', '**Yes**', 'YES!\nThe user likes drama.', 'Yes, no doubt.', 'Yes, they would.'],
    ...['Yes because of the genre', 'The answer is Yes.', '#Answer: yes', 'I think the answer would be "Yes" here.'],
    ...['<think>No, wait. Or no?</think>\nYes', 'Given the history, my prediction is: Yes'],
  ])('%j is yes', (text) => expect(parseVerdict(text)).toBe('yes'));

  it.each([...['No', 'no.', '- No', 'No, the user would not.', 'No the user likes comedies', 'The answer is **No**']])(
    '%j is no',
    (text) => expect(parseVerdict(text)).toBe('no'),
  );

  it.each([
    ...['', '   ', '…', 'Maybe', 'Yes or No', 'yes/no', 'Yes/No: I cannot say', 'No idea', 'No information is given'],
    ...["I'm sorry, but I can't help with that.", 'I have no information about this user.', 'Nothing', 'Yesterday'],
    ...[
      'They might say yes or they might say no.',
      '<think>Yes, since',
      'The answer is no secret',
      '{"error": true}',
      'no\n\nYes',
    ],
  ])('%j is neither', (text) => expect(parseVerdict(text)).toBe(null));
});

describe('logitOf', () => {
  const at = (token: string, top: Record<string, number>) => ({
    token,
    logprob: top[token] ?? 0,
    top_logprobs: Object.entries(top).map(([each, logprob]) => ({ token: each, logprob })),
  });

  it('sums the spellings of each word', () => {
    const content = [at('Yes', { Yes: Math.log(0.5), ' yes': Math.log(0.1), No: Math.log(0.2), Maybe: Math.log(0.1) })];
    expect(logitOf({ content }, 'Yes', 'yes')).toBeCloseTo(Math.log(0.6 / 0.2), 10);
  });

  it('takes the least of the likeliest for a word that is not among them', () => {
    const content = [at('No', { No: Math.log(0.9), Well: Math.log(0.05), Nope: Math.log(0.01) })];
    expect(logitOf({ content }, 'No', 'no')).toBeCloseTo(Math.log(0.01 / 0.9), 10);
  });

  it('reads the place of the answer, not a word before it', () => {
    const content = [
      at('no', { no: 0, yes: -1 }),
      at('. Answer:', { '. Answer:': 0 }),
      at(' Yes', { ' Yes': -0.1, ' No': -3 }),
    ];
    expect(logitOf({ content }, 'With no doubt. Answer: Yes', 'yes')).toBeCloseTo(2.9, 10);
  });

  it.each([
    [null],
    [undefined],
    ['nonsense'],
    [{ content: null }],
    [{ content: [{ token: 'Yes', logprob: null }] }],
    [{ content: [at('Well', { Well: 0 })] }],
    [{ content: [{ token: 'Yes', logprob: 0 }] }],
  ])('is null without them: %j', (given) => expect(logitOf(given, 'Yes', 'yes')).toBe(null));

  it('is null for an answer that is neither, and bounded for one that is certain', () => {
    expect(logitOf({ content: [at('Yes', { Yes: 0 })] }, 'Well', null)).toBe(null);
    const sure = logitOf({ content: [at('Yes', { Yes: 0, No: -9999 })] }, 'Yes', 'yes')!;
    expect(sure).toBeLessThan(21);
    expect(sure).toBeGreaterThan(20);
  });
});

const answer = (key: string, verdict: Answer['verdict'], logit: number | null = null, cutOff = false): Answer => ({
  ...{ key, model: 'm', verdict, logit, text: String(verdict), cutOff, tokens: null },
});

it('scores 1 for Yes, 0 for No and .5 for neither, and counts them', () => {
  const answers = [answer('a', 'yes'), answer('b', 'no'), answer('c', null, null, true), answer('d', 'no', -Math.LN2)];
  const { score, logit } = scoresOfAnswers(answers);
  expect([...score.slice(0, 3)]).toEqual([1, 0, 0.5]);
  expect(score[3]).toBeCloseTo(1 / 3, 10);
  expect(logit[2]).toBe(0);
  expect([...logit].every(Number.isFinite)).toBe(true);
  expect(countAnswers(answers)).toEqual({ rows: 4, yes: 1, no: 2, refused: 1, cutOff: 1, withLogprobs: 1 });
});

/** A clock that goes on by itself when somebody sleeps. */
function toyClock(): Clock & { slept: number[]; time: number } {
  const clock = {
    time: 0,
    slept: [] as number[],
    now: () => clock.time,
    async sleep(ms: number) {
      clock.slept.push(ms);
      clock.time += ms;
    },
  };
  return clock;
}

describe('Pacer', () => {
  const { signal } = new AbortController();
  const starts = async (pacer: Pacer, clock: { time: number }, tokens: readonly number[]) => {
    const at: number[] = [];
    for (const each of tokens) {
      await pacer.start(each, signal);
      at.push(clock.time);
    }
    return at;
  };

  it('spreads requests over the minute', async () => {
    const clock = toyClock();
    const pacer = new Pacer({ requestsPerMinute: 6, tokensPerMinute: null }, clock);
    expect(await starts(pacer, clock, [1, 1, 1])).toEqual([0, 10_000, 20_000]);
  });

  it('lets a large request delay the next, by what it really took', async () => {
    const clock = toyClock();
    const pacer = new Pacer({ requestsPerMinute: null, tokensPerMinute: 600 }, clock);
    expect(await starts(pacer, clock, [100, 10])).toEqual([0, 10_000]);
    pacer.correct(90);
    expect(await starts(pacer, clock, [1])).toEqual([20_000]);
  });

  it('starts nothing while the endpoint asks to wait', async () => {
    const clock = toyClock();
    const pacer = new Pacer({ requestsPerMinute: null, tokensPerMinute: null }, clock);
    pacer.pause(7000);
    pacer.pause(3000);
    expect(await starts(pacer, clock, [1, 1])).toEqual([7000, 7000]);
  });

  it('ends a wait when the user interrupts', async () => {
    const stop = new AbortController();
    const pacer = new Pacer({ requestsPerMinute: 1, tokensPerMinute: null }, systemClock);
    await pacer.start(1, stop.signal);
    const second = pacer.start(1, stop.signal);
    stop.abort();
    await expect(second).rejects.toThrow(InterruptedError);
  });
});

it('reads Retry-After as seconds, milliseconds or a date', () => {
  const of = (headers: Record<string, string>) => retryAfter(new Headers(headers), Date.parse('2026-01-01T00:00:00Z'));
  expect(of({ 'retry-after': '2' })).toBe(2000);
  expect(of({ 'retry-after': '0.5' })).toBe(500);
  expect(of({ 'retry-after': '9', 'retry-after-ms': '25' })).toBe(25);
  expect(of({ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' })).toBe(30_000);
  expect(of({ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' })).toBe(0);
  expect(of({ 'retry-after': 'soon' })).toBe(null);
  expect(of({})).toBe(null);
});

it('knows no cost where a price that is needed is not given', () => {
  const prices = { input: 2, output: null, training: null };
  expect(costOf({ input: 500_000, output: 0, training: 0 }, prices)).toBe(1);
  expect(costOf({ input: 1, output: 1, training: 0 }, prices)).toBe(null);
});

describe('readKey', () => {
  it('takes the key of the variable without the blanks of a file', () => {
    expect(readKey({ keyVariable: 'MY_KEY' }, { MY_KEY: ' sk-1\n' })).toBe('sk-1');
    expect(readKey({ keyVariable: null }, {})).toBe(null);
  });

  it.each([
    ['a variable that is not set', 'OPENAI_API_KEY', {}],
    ['an empty one', 'OPENAI_API_KEY', { OPENAI_API_KEY: ' ' }],
    ['a key of two lines', 'OPENAI_API_KEY', { OPENAI_API_KEY: 'sk-secret\nsk-secret2' }],
    ['a key in the place of the name', 'sk-secret', {}],
    ['a key of letters alone in the place of the name', 'gsk_secret', {}],
  ])('refuses %s and does not tell it', (_, keyVariable, env) => {
    const read = () => readKey({ keyVariable }, env);
    expect(read).toThrow(/api.keyVariable/);
    expect(read).not.toThrow(/secret/);
  });
});

describe('AnswerCache', () => {
  it('keeps answers over processes, and names model and prompt by its keys', async () => {
    const run = await folderWith({});
    const prompt = [{ role: 'user', content: 'Q' }] as const;
    const [key, other] = [answerKey('m', prompt), answerKey('n', prompt)];
    expect(key).not.toBe(other);
    const first = await AnswerCache.open(run, silentLog);
    await expect(AnswerCache.open(run, silentLog)).rejects.toThrow(/is writing this list of answers/);
    first.add(answer(key, 'yes'));
    await first.close();
    const second = await AnswerCache.open(run, silentLog);
    expect(second.get(key)).toEqual(answer(key, 'yes'));
    expect(second.get(other)).toBe(undefined);
    await second.close();
  });

  it.each([
    ['cut in the middle', '{"key":"c","mod'],
    ['without its newline', JSON.stringify(answer('c', 'no'))],
    ['of zeros', '\0\0\0\0\n'],
    ['of another shape', '{"key":"c"}\n'],
  ])('drops a last line %s, and writes over it', async (_, damage) => {
    const run = await folderWith({});
    const path = join(run, 'answers.jsonl');
    const whole = `${JSON.stringify(answer('a', 'yes'))}\n${JSON.stringify(answer('b', null))}\n`;
    writeFileSync(path, whole + damage);
    const cache = await AnswerCache.open(run, silentLog);
    expect(cache.size).toBe(2);
    cache.add(answer('d', 'no'));
    await cache.close();
    expect(readFileSync(path, 'utf8')).toBe(`${whole}${JSON.stringify(answer('d', 'no'))}\n`);
    expect([...readAnswers(run).answers.keys()]).toEqual(['a', 'b', 'd']);
  });

  it('names a damaged line that others follow', async () => {
    const run = await folderWith({});
    const path = join(run, 'answers.jsonl');
    writeFileSync(path, 'nonsense\n');
    appendFileSync(path, `${JSON.stringify(answer('a', 'yes'))}\n`);
    await expect(AnswerCache.open(run, silentLog)).rejects.toThrow(
      /answers\.jsonl:1: is not an answer; delete the line/,
    );
  });
});
