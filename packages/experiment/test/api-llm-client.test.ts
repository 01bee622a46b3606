/** Requests to an endpoint that misbehaves: what is sent again and after which wait, what ends the run, and that no error tells the key. */
import { CrossgateError, InputError, InterruptedError, type Log } from '@crossgate/core';
import {
  type ChatEndpoint,
  type ChatReply,
  chatBody,
  startChatEndpoint,
  startProxy,
  startServer,
} from '@crossgate/testing/node';
import { afterEach, describe, expect, it } from 'vitest';
import { api } from '../src/config/api-schema';
import { ApiClient, PromptRefusedError } from '../src/runners/api-llm-client';
import type { Clock } from '../src/runners/api-llm-pacer';

const KEY = 'sk-test-7f3a"9\\c1e55';

let endpoint: ChatEndpoint | undefined;
afterEach(async () => {
  await endpoint?.close();
  endpoint = undefined;
});

/** A client of an endpoint that gives these replies in turn, the last one for good; waits are noted, not made. */
async function clientOf(
  replies: readonly ChatReply[],
  settings: Record<string, unknown> = {},
  env: Record<string, string> = {},
) {
  endpoint = await startChatEndpoint(({ count }) => replies[Math.min(count, replies.length) - 1]!);
  const slept: number[] = [];
  const said: string[] = [];
  const log: Log = {
    debug: (message) => said.push(message),
    info: (...parts: unknown[]) => said.push(JSON.stringify(parts)),
    warn: (message) => said.push(message),
  };
  let time = 0;
  const clock: Clock = {
    now: () => time,
    async sleep(ms, signal) {
      if (signal.aborted) throw new InterruptedError();
      slept.push(ms);
      time += ms;
    },
  };
  const stop = new AbortController();
  const client = new ApiClient({
    api: api.parse({ baseUrl: endpoint.baseUrl, model: 'm', timeout: 2, ...settings }),
    env: { OPENAI_API_KEY: KEY, ...env },
    log,
    signal: stop.signal,
    clock,
  });
  const ask = () =>
    client.request({
      tokens: 1,
      send: (openai, options) =>
        openai.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'Q' }] }, options),
      read: (body) => (body as { choices?: { message: { content: string } }[] } | null)?.choices?.[0]?.message.content,
    });
  return { client, ask, slept, said, stop };
}

const failure = async (ask: () => Promise<unknown>): Promise<CrossgateError> => {
  const error: unknown = await ask().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(CrossgateError);
  return error as CrossgateError;
};

describe('a request', () => {
  it('waits as long as Retry-After says, whatever the status', async () => {
    const { ask, slept, client } = await clientOf([
      { status: 429, headers: { 'retry-after': '7' }, body: { error: { message: 'slow down' } } },
      { status: 503, headers: { 'retry-after-ms': '1500' }, body: 'busy' },
      'Yes',
    ]);
    expect(await ask()).toBe('Yes');
    expect(slept).toEqual([7000, 1500]);
    expect(client.retries).toBe(2);
  });

  it('backs off further with each try where nothing is asked for', async () => {
    const { ask, slept } = await clientOf([
      { status: 500, body: '' },
      { status: 502, body: '<html>' },
      'cut off',
      'No',
    ]);
    expect(await ask()).toBe('No');
    expect(slept).toHaveLength(3);
    for (const [tries, ms] of slept.entries()) {
      expect(ms).toBeGreaterThanOrEqual(500 * 2 ** tries);
      expect(ms).toBeLessThanOrEqual(1000 * 2 ** tries);
    }
  });

  it.each([['silence'], ['slow body']] as const)('gives %s up after its timeout and sends it again', async (reply) => {
    const { ask, said } = await clientOf([reply, 'Yes'], { timeout: 0.05 });
    expect(await ask()).toBe('Yes');
    expect(said.join()).toContain('no answer in 0.05 s');
  });

  it.each([
    ['JSON of another kind', { body: { answer: 42 } }],
    ['no choices', { body: { choices: [] } }],
    ['half of a JSON', { body: '{"choices": [{"mess' }],
    ['a page', { body: '<html>login</html>', headers: { 'content-type': 'text/html' } }],
    ['nothing', { body: '' }],
    ['null', { body: 'null' }],
  ])('sends it again after %s', async (_, reply) => {
    const { ask, client } = await clientOf([reply, 'Yes']);
    expect(await ask()).toBe('Yes');
    expect(client.retries).toBe(1);
  });

  it('reads an answer that is not called JSON', async () => {
    const { ask } = await clientOf([{ body: chatBody('Yes'), headers: { 'content-type': 'text/plain' } }]);
    expect(await ask()).toBe('Yes');
  });

  it('ends after its tries, with the last reason, as a failure that can be resumed', async () => {
    const { ask } = await clientOf([{ status: 500, body: { error: { message: `down, ${KEY}` } } }], { retries: 2 });
    const error = await failure(ask);
    expect(error).not.toBeInstanceOf(InputError);
    expect(error.code).toBe('network.failed');
    expect(error.message).toMatch(/no answer after 3 tries; the last: 500 down, \[key\]/);
    expect(endpoint!.chats).toHaveLength(3);
  });

  it('ends where nobody listens', async () => {
    const server = await startServer(() => {});
    await server.close();
    const { ask } = await clientOf(['Yes'], { baseUrl: `${server.url}/v1`, retries: 1 });
    expect((await failure(ask)).message).toMatch(/no answer after 2 tries; the last: .*ECONNREFUSED/);
  });

  it('does not wait an hour', async () => {
    const { ask } = await clientOf([{ status: 429, headers: { 'retry-after': '3600' }, body: 'daily limit' }]);
    const error = await failure(ask);
    expect(error.message).toMatch(/asks to wait 3600 s \(429 .*daily limit/);
    expect(endpoint!.chats).toHaveLength(1);
  });

  it.each([
    [
      401,
      { message: `Incorrect API key provided: ${KEY}` },
      'api.key',
      /refuses the key.*\[key\].*check OPENAI_API_KEY/,
    ],
    [403, { message: 'no access' }, 'api.key', /no access/],
    [404, { message: 'no such model' }, 'api.request', /no such model; check api.baseUrl and api.model/],
    [400, { message: 'logprobs are not supported' }, 'api.request', /--set api.logprobs=false/],
    [400, { message: 'Use max_completion_tokens' }, 'api.request', /--set api.maxTokens=null/],
    [422, { message: 'temperature must be 1' }, 'api.request', /--set api.temperature=null/],
    [429, { message: 'no credit', code: 'insufficient_quota' }, 'api.quota', /no credit; add credit/],
    [402, { message: 'pay' }, 'api.quota', /pay/],
  ])('is not sent again after %i %j', async (status, error, code, words) => {
    const { ask } = await clientOf([{ status, body: { error } }]);
    const found = await failure(ask);
    expect([found.code, found.message]).toEqual([code, expect.stringMatching(words)]);
    expect(endpoint!.chats).toHaveLength(1);
  });

  it('tells a prompt that is refused for what it says', async () => {
    const { ask } = await clientOf([{ status: 400, body: { error: { message: 'filtered', code: 'content_filter' } } }]);
    expect(await failure(ask)).toBeInstanceOf(PromptRefusedError);
  });

  it('tells the key nowhere, however the endpoint gives it back', async () => {
    const forms = [KEY, JSON.stringify(KEY), encodeURIComponent(KEY)];
    for (const form of forms) {
      for (const reply of [
        { status: 400, body: { error: { message: `x ${form}` } } },
        { status: 500, body: `page of ${form}`, headers: { 'content-type': 'text/html' } },
        { body: { echo: form } },
        // Cut in the middle of the key.
        { status: 400, body: { error: { message: `${'x'.repeat(190)}${form}` } } },
      ]) {
        const { ask, said } = await clientOf([reply], { retries: 1 });
        const error = await failure(ask);
        expect(`${error.message} ${error.stack} ${JSON.stringify(error.cause)} ${said}`).not.toMatch(/7f3a|c1e55/);
        await endpoint!.close();
      }
    }
  });

  it('sends the key in its header alone, and none for an endpoint without keys', async () => {
    const { ask } = await clientOf(['Yes']);
    await ask();
    expect(endpoint!.headers[0]!.authorization).toBe(`Bearer ${KEY}`);
    expect(JSON.stringify(endpoint!.chats)).not.toContain('7f3a');
    await endpoint!.close();
    const without = await clientOf(['Yes'], { keyVariable: null });
    await without.ask();
    expect(endpoint!.headers[0]!.authorization).toBe(undefined);
  });

  it('goes through the proxy of the environment, and names one that is no address', async () => {
    const proxy = await startProxy();
    const { ask } = await clientOf(['Yes'], {}, { HTTP_PROXY: `http://${proxy.host}` });
    expect(await ask()).toBe('Yes');
    expect(proxy.asked).toEqual([`POST ${endpoint!.baseUrl}/chat/completions`]);
    await proxy.close();
    await endpoint!.close();
    const wrong = await clientOf(['Yes'], {}, { HTTP_PROXY: 'gopher://host' });
    expect(await failure(wrong.ask)).toMatchObject({ code: 'network.proxy' });
  });

  it('is not sent once the user has interrupted', async () => {
    const { ask, stop } = await clientOf([{ status: 500, body: '' }]);
    endpoint!.reply = () => {
      stop.abort();
      return { status: 500, body: '' };
    };
    await expect(ask()).rejects.toThrow(InterruptedError);
    expect(endpoint!.chats).toHaveLength(1);
  });
});
