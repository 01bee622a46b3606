/** A local endpoint that speaks OpenAI's protocol for chats, or misbehaves as it is told. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type LocalServer, startServer } from './local-server';

/** What a chat was asked. */
export interface AskedChat {
  /** The last message: the prompt. */
  readonly prompt: string;
  /** The whole body of the request. */
  readonly body: Readonly<Record<string, unknown>>;
  /** How often this prompt was asked, this time included. */
  readonly count: number;
}

/** Words of an answer; a whole body with its status; or what becomes of the connection. */
export type ChatReply =
  | string
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body: unknown }
  | 'cut off'
  | 'silence'
  | 'slow body';

export interface ChatEndpoint extends LocalServer {
  /** Address for `api.baseUrl`. */
  readonly baseUrl: string;
  /** Every chat so far, oldest first. */
  readonly chats: AskedChat[];
  /** Headers of the chats. */
  readonly headers: IncomingMessage['headers'][];
  /** May be replaced at any time. */
  reply: (chat: AskedChat) => ChatReply | Promise<ChatReply>;
  /** Answers what is no chat; null: 404. */
  other: ((path: string, method: string, body: string) => unknown) | null;
}

/** The body of an answer with these words. */
export function chatBody(text: string, choice: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    id: 'chat-1',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop', ...choice }],
    usage: { prompt_tokens: 20, completion_tokens: 2, total_tokens: 22 },
  };
}

const json = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
) =>
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(typeof body === 'string' ? body : JSON.stringify(body));

/** Starts an endpoint on a free port of this machine. */
export async function startChatEndpoint(reply: ChatEndpoint['reply']): Promise<ChatEndpoint> {
  const counts = new Map<string, number>();
  const server = await startServer(() => {});
  const endpoint: ChatEndpoint = Object.assign(server, {
    baseUrl: `${server.url}/v1`,
    chats: [] as AskedChat[],
    headers: [] as IncomingMessage['headers'][],
    reply,
    other: null,
  });
  server.answer = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => void answer(request, response, Buffer.concat(chunks).toString()));
  };
  async function answer(request: IncomingMessage, response: ServerResponse, text: string): Promise<void> {
    const { url = '', method = '' } = request;
    if (url !== '/v1/chat/completions') {
      const body = endpoint.other?.(url, method, text);
      if (body === undefined) json(response, 404, { error: { message: `no ${url}` } });
      else json(response, 200, body);
      return;
    }
    const body = JSON.parse(text) as { messages: { content: string }[] };
    const prompt = body.messages.at(-1)!.content;
    const count = (counts.get(prompt) ?? 0) + 1;
    counts.set(prompt, count);
    const chat: AskedChat = { prompt, body: body as never, count };
    endpoint.chats.push(chat);
    endpoint.headers.push(request.headers);
    const said = await endpoint.reply(chat);
    if (said === 'silence') return;
    if (said === 'cut off' || said === 'slow body') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 });
      response.write('{"choices": [', () => said === 'cut off' && setTimeout(() => response.destroy(), 5));
      return;
    }
    if (typeof said === 'string') json(response, 200, chatBody(said));
    else json(response, said.status ?? 200, said.body, said.headers);
  }
  return endpoint;
}
