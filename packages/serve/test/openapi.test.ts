/** The OpenAPI document is valid, and says what the server does. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it } from 'vitest';
import { problemCodes } from '../src';
import { endpoints } from '../src/endpoints';
import { serverOf } from './ask';

// The parts of the document that are looked into.
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly requestBody?: object;
  readonly responses: Record<string, { readonly description: string }>;
  readonly security?: object;
}

it.each([[[]], [['a-token-of-this-test']]])('is valid by a public validator (tokens %j)', async (tokens) => {
  const { get } = await serverOf({ tokens });
  const { body } = await get('/openapi.json');
  const result = await new Validator().validate(body);
  expect(result).toEqual({ valid: true });
});

it('holds every endpoint with its parameters, and refuses what its schema refuses', async () => {
  const { get, post } = await serverOf({ tokens: ['a-token-of-this-test'] });
  const { body } = await get('/openapi.json');
  const { paths, components } = body;
  for (const { method, path, ...endpoint } of Object.values(endpoints)) {
    const operation = paths[path][method.toLowerCase()] as Operation;
    const names = (operation.parameters ?? []).filter((one) => one.in !== 'header').map(({ name }) => name);
    expect(names).toEqual([
      ...Object.keys('params' in endpoint ? endpoint.params.shape : {}),
      ...Object.keys('query' in endpoint ? endpoint.query.shape : {}),
    ]);
    expect(operation.requestBody !== undefined).toBe('body' in endpoint);
    expect(operation.security !== undefined).toBe(!('open' in endpoint));
  }
  expect(Object.keys(paths)).toHaveLength(new Set(Object.values(endpoints).map(({ path }) => path)).size);
  const limit = (paths['/v1/users'].get as Operation).parameters!.find(({ name }) => name === 'limit');
  expect(limit?.schema).toMatchObject({ type: 'integer', minimum: 1, maximum: 1000, default: 50 });
  const { properties, oneOf } = components.schemas.Recommend;
  expect(properties.top).toMatchObject({ maximum: 1000, default: 10 });
  expect(oneOf).toEqual([{ required: ['user'] }, { required: ['history'] }]);
  const headers = { authorization: 'Bearer a-token-of-this-test' };
  expect((await post('/v1/recommend', { user: 'u1', top: 1001 }, headers)).body.error.path).toBe('top');
  expect((await get('/v1/users?limit=1001', headers)).body.error.path).toBe('limit');
});

it('names for every endpoint the statuses that it can have', async () => {
  const { get } = await serverOf();
  const { body } = await get('/openapi.json');
  const { responses } = body.paths['/v1/recommend'].post as Operation;
  expect(Object.keys(responses).map(Number)).toEqual([200, 400, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504]);
  expect(responses[429]!.description).toContain(problemCodes.busy[1]);
});
