/** The endpoints as data: the router, the checks and the OpenAPI document are made of this list. */
import type { z } from 'zod';
import type { ProblemCode } from './problem';
import * as schemas from './schemas';

/** What an endpoint is. */
export interface Endpoint {
  readonly method: 'GET' | 'POST';
  /** With parameters in braces, as OpenAPI writes them. */
  readonly path: string;
  readonly summary: string;
  /** Schema of the parameters of the path. */
  readonly params?: z.ZodObject;
  /** Schema of the query; every value of a query is a text. */
  readonly query?: z.ZodObject;
  /** Schema of the JSON body. */
  readonly body?: z.ZodType;
  /** Schema of the JSON answer; undefined: text. */
  readonly answer: z.ZodType | undefined;
  /** Refusals of its own, beside those that every endpoint has. */
  readonly problems: readonly ProblemCode[];
  /** Needs no token. */
  readonly open?: true;
}

const asked: readonly ProblemCode[] = ['busy', 'lost', 'stopping', 'deadline'];

/** Every endpoint by the name of its handler. */
export const endpoints = {
  recommend: {
    method: 'POST',
    path: '/v1/recommend',
    summary: 'The best items for a user, or for anybody by a history',
    body: schemas.recommendBody,
    answer: schemas.recommendAnswer,
    problems: ['unknown-user', 'unknown-item', 'unsupported', ...asked],
  },
  score: {
    method: 'POST',
    path: '/v1/score',
    summary: 'Scores of pairs of users and items',
    body: schemas.scoreBody,
    answer: schemas.scoreAnswer,
    problems: ['unknown-user', 'unknown-item', 'unsupported', ...asked],
  },
  similar: {
    method: 'GET',
    path: '/v1/similar/{item}',
    summary: 'The items nearest to one',
    params: schemas.itemParams,
    query: schemas.similarQuery,
    answer: schemas.similarAnswer,
    problems: ['unknown-item', 'unsupported', ...asked],
  },
  addItems: {
    method: 'POST',
    path: '/v1/items',
    summary: 'New items by title, which the language model scores without training',
    body: schemas.itemsBody,
    answer: schemas.itemsAdded,
    problems: ['conflict', 'state', 'stopping'],
  },
  addEvents: {
    method: 'POST',
    path: '/v1/events',
    summary: 'New likes and dislikes, which join histories at once; kept before the answer where there is a state file',
    body: schemas.eventsBody,
    answer: schemas.eventsTaken,
    problems: ['unknown-item', 'conflict', 'state', 'stopping'],
  },
  users: {
    method: 'GET',
    path: '/v1/users',
    summary: 'Ids of users',
    query: schemas.usersQuery,
    answer: schemas.usersAnswer,
    problems: [],
  },
  user: {
    method: 'GET',
    path: '/v1/users/{id}',
    summary: 'What is known of a user',
    params: schemas.userParams,
    answer: schemas.userAnswer,
    problems: ['unknown-user'],
  },
  items: {
    method: 'GET',
    path: '/v1/items',
    summary: 'Items with their titles',
    query: schemas.itemsQuery,
    answer: schemas.itemsAnswer,
    problems: [],
  },
  attributes: {
    method: 'GET',
    path: '/v1/attributes',
    summary: 'Attributes of the items, by which lists are filtered, with their values',
    query: schemas.attributesQuery,
    answer: schemas.attributesAnswer,
    problems: [],
  },
  item: {
    method: 'GET',
    path: '/v1/items/{item}',
    summary: 'One item',
    params: schemas.itemParams,
    answer: schemas.itemAnswer,
    problems: ['unknown-item'],
  },
  health: {
    method: 'GET',
    path: '/healthz',
    summary: 'Whether the process answers',
    answer: schemas.healthAnswer,
    problems: [],
    open: true,
  },
  ready: {
    method: 'GET',
    path: '/readyz',
    summary: 'Whether it can recommend: 503 while it stops, and once the GPU is lost',
    answer: schemas.readyAnswer,
    problems: [],
    open: true,
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    summary: 'Counts and times in the format of Prometheus',
    answer: undefined,
    problems: [],
  },
  openapi: {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    answer: undefined,
    problems: [],
    open: true,
  },
} as const satisfies Record<string, Endpoint>;

/** Name of an endpoint. */
export type EndpointName = keyof typeof endpoints;
