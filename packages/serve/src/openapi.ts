/** The OpenAPI document, made of the endpoints and the schemas that check requests. */
import { z } from 'zod';
import { type Endpoint, endpoints } from './endpoints';
import { type ProblemCode, problemCodes } from './problem';
import { problemAnswer } from './schemas';

type Json = Record<string, unknown>;

/** JSON Schema of a schema, without the keys that belong to a document of its own. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io }) as Json;
  return rest;
}

/** Every schema with a name becomes a component; others stand where they are used. */
function componentsOf(schemas: readonly [z.ZodType, 'input' | 'output'][]): Json {
  const found: Json = {};
  for (const [schema, io] of schemas) {
    const name = schema.meta()?.title;
    if (name !== undefined) found[name] = jsonSchema(schema, io);
  }
  return found;
}

const content = (schema: z.ZodType): Json => ({
  'application/json': { schema: { $ref: `#/components/schemas/${schema.meta()?.title}` } },
});

/** Parameters of a path or query. */
function parametersOf(schema: z.ZodObject | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  return Object.entries(schema.shape).map(([name, value]) => {
    const type = value as z.ZodType;
    const { description, ...rest } = jsonSchema(type, 'output');
    const known = description ?? type.meta()?.description;
    return {
      name,
      in: place,
      required: place === 'path',
      ...(known !== undefined && { description: known }),
      schema: rest,
    };
  });
}

/** Refusals by status, with their meanings. */
function problemsOf(endpoint: Endpoint, guarded: boolean): Json {
  const codes: ProblemCode[] = ['host', 'failed', ...endpoint.problems];
  if (guarded) codes.push('token', 'rate');
  if (endpoint.body || endpoint.query || endpoint.params) codes.push('invalid');
  if (endpoint.body) codes.push('too-large', 'media-type', 'timeout');
  const statuses = [...new Set(codes.map((code) => problemCodes[code][0]))].sort((a, b) => a - b);
  return Object.fromEntries(
    statuses.map((status) => {
      const lines = [...new Set(codes)].filter((code) => problemCodes[code][0] === status);
      const description = lines.map((code) => `\`${code}\`: ${problemCodes[code][1]}`).join('\n\n');
      const retry = { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer', minimum: 1 } } };
      return [status, { description, ...(status === 429 && { headers: retry }), content: content(problemAnswer) }];
    }),
  );
}

function operationOf(name: string, endpoint: Endpoint, guarded: boolean): Json {
  const parameters = [...parametersOf(endpoint.params, 'path'), ...parametersOf(endpoint.query, 'query')];
  if (endpoint.problems.includes('deadline')) {
    parameters.push({
      name: 'x-deadline-ms',
      in: 'header',
      required: false,
      description: 'Milliseconds after which the order of CF is given instead.',
      schema: { type: 'integer', minimum: 1, maximum: 60_000 },
    });
  }
  const { answer, body } = endpoint;
  const isText = name === 'metrics';
  const plain: Json = isText
    ? { 'text/plain': { schema: { type: 'string' } } }
    : { 'application/json': { schema: { type: 'object' } } };
  const ready = name === 'ready' && answer ? { 503: { description: 'Not ready', content: content(answer) } } : {};
  return {
    operationId: name,
    summary: endpoint.summary,
    ...(guarded && { security: [{ token: [] }] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: content(body) } }),
    responses: {
      200: { description: 'Done', content: answer ? content(answer) : plain },
      ...problemsOf(endpoint, guarded),
      ...ready,
    },
  };
}

/**
 * The document.
 * @param version of the software
 * @param hasTokens whether the server asks for tokens
 */
export function openApiDocument(version: string, hasTokens: boolean): Json {
  const paths: Record<string, Json> = {};
  const named: [z.ZodType, 'input' | 'output'][] = [[problemAnswer, 'output']];
  for (const [name, endpoint] of Object.entries(endpoints) as [string, Endpoint][]) {
    const guarded = hasTokens && !endpoint.open;
    paths[endpoint.path] = {
      ...paths[endpoint.path],
      [endpoint.method.toLowerCase()]: operationOf(name, endpoint, guarded),
    };
    if (endpoint.body) named.push([endpoint.body, 'input']);
    if (endpoint.answer) named.push([endpoint.answer, 'output']);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Crossgate',
      version,
      description: 'Recommendations of a run over HTTP.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: './' }],
    paths,
    components: {
      schemas: componentsOf(named),
      ...(hasTokens && { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }),
    },
  };
}
