/** What the endpoints take and give. The same schemas check requests and make the OpenAPI document. */
import { z } from 'zod';

/** SQLite ends a text at a NUL, and half of a surrogate pair is no character: kept, they would come back as another. */
const isText = (value: string) => !/[\0\p{Cs}]/u.test(value);
const NO_TEXT = 'holds a NUL or half of a surrogate pair';
const id = z.string().min(1).max(512).refine(isText, NO_TEXT);
const userId = id.describe('Id of a user, as in the source.');
const itemId = id.describe('Id of an item, as in the source.');
const ids = (most: number) => z.array(itemId).max(most);

/** A whole number in a query: its text is checked, then its range. */
const count = (least: number, most: number, normal: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'not a whole number')
    .transform(Number)
    .pipe(z.number().int().min(least).max(most))
    .default(normal);

const top = z
  .number()
  .int()
  .min(1)
  .max(1000)
  .default(10)
  .describe('The most items to give; a language model ranks no more than it is handed: see `candidates`.');

const took = z.number().min(0).describe('Milliseconds from the headers of the request to the answer.');
const model = z.string().describe('Hash of what the run learned, its language model and its config; 12 hex digits.');
const score = z
  .number()
  .describe('A probability by the run; a number of users where `basis` is popularity; the score of CF where degraded.');
const cf = z.number().optional().describe('Score by CF alone, where the run has CF and CF knows the item.');
const llm = z
  .number()
  .optional()
  .describe('Score by the language model, fused where the run fuses, where it was asked.');
const basis = z
  .enum(['user', 'folded-in', 'history', 'popularity'])
  .describe(
    'What the answer goes by: what training learned of the user; a vector solved for this person; the history alone; ' +
      'or nothing but the popularity of items.',
  );
const degraded = z
  .literal(true)
  .optional()
  .describe('The deadline passed: the order and scores are those of CF alone, or reasons are left out.');
const known = z
  .enum(['trained', 'untrained', 'added'])
  .describe('Has rows that the run was trained on; is in its data without; or came after the training.');
const label = z.union([z.literal(0), z.literal(1)]).describe('1: likes; 0: dislikes.');

const text = z.string().min(1).max(256).refine(isText, NO_TEXT);
const texts = z.array(text).min(1).max(1000);
const name = z.string().min(1).max(256);
const attributes = z
  .record(name, z.union([z.array(text).max(256), z.number()], 'must be a list of texts, or a number'))
  .describe('By the names of GET /v1/attributes: a list of texts, or a number.');

/** What an attribute must be. */
const condition = z.strictObject({
  any: texts.optional().describe('Has at least one of these texts.'),
  all: texts.optional().describe('Has all of these texts.'),
  none: texts.optional().describe('Has none of these texts; so has an item without any.'),
  min: z.number().optional().describe('The least number.'),
  max: z.number().optional().describe('The greatest number.'),
});

const item = z.strictObject({ item: itemId, title: z.string(), known, attributes });

/** POST /v1/recommend. */
export const recommendBody = z
  .strictObject({
    user: userId.optional().describe('Id of a user that the run or an event knows. Either this or `history`.'),
    history: ids(10_000).optional().describe('Ids of liked items, oldest first, of anybody. Either this or `user`.'),
    dislikes: ids(10_000).optional().describe('Ids of disliked items, oldest first; with `history`.'),
    top,
    candidates: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe('How many items CF hands to the language model: the most that a list then holds.'),
    exclude: ids(10_000).default([]).describe('Items to leave out; ids that the run does not know are ignored.'),
    among: ids(10_000).min(1).optional().describe('The only items to choose from.'),
    repeats: z
      .enum(['exclude', 'allow'])
      .default('exclude')
      .describe('Whether items that the person has events with may be in the list, unless they are `among`.'),
    titleContains: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .optional()
      .describe(
        'Only items whose title has this text, in any case, and that the person does not know yet, unless `repeats` allows them.',
      ),
    where: z
      .record(name, condition)
      .refine((where) => Object.keys(where).length <= 20, 'has more than 20 attributes')
      .default({})
      .describe('Only items whose attributes meet all of these conditions, of `among` too.'),
    explain: z.boolean().default(false).describe('Give the history items that moved each score most.'),
  })
  .refine(({ user, history }) => (user === undefined) !== (history === undefined), {
    message: 'needs either user or history',
    path: ['user'],
  })
  .refine(({ user, dislikes }) => user === undefined || dislikes === undefined, {
    message: 'goes with history, not with user',
    path: ['dislikes'],
  })
  .meta({ title: 'Recommend', oneOf: [{ required: ['user'] }, { required: ['history'] }] });

/** The answer to POST /v1/recommend. */
export const recommendAnswer = z
  .strictObject({
    items: z.array(
      z.strictObject({
        item: itemId,
        title: z.string(),
        score,
        cf,
        llm,
        reasons: z
          .array(
            z.strictObject({
              item: itemId,
              title: z.string(),
              change: z.number().describe('What the score loses without this item of the history.'),
            }),
          )
          .optional()
          .describe('With `explain`: the items of the history that moved the score most, first.'),
      }),
    ),
    basis,
    degraded,
    took,
    model,
  })
  .meta({ title: 'Recommendations' });

/** POST /v1/score. */
export const scoreBody = z
  .strictObject({
    pairs: z
      .array(z.strictObject({ user: userId, item: itemId }))
      .min(1)
      .max(1000),
  })
  .meta({ title: 'Pairs' });

/** The answer to POST /v1/score. */
export const scoreAnswer = z
  .strictObject({
    scores: z
      .array(z.strictObject({ user: userId, item: itemId, score, cf, llm, basis }))
      .describe('In the order of the pairs.'),
    degraded,
    took,
    model,
  })
  .meta({ title: 'Scores' });

/** The item of GET /v1/similar/{item} and GET /v1/items/{item}. */
export const itemParams = z.strictObject({ item: itemId });
/** The query of GET /v1/similar/{item}. */
export const similarQuery = z.strictObject({ top: count(1, 1000, 10).describe('The most items to give.') });
/** The answer to GET /v1/similar/{item}. */
export const similarAnswer = z
  .strictObject({
    item: itemId,
    items: z.array(
      z.strictObject({ item: itemId, title: z.string(), score: z.number().describe('Cosine of the CF vectors.') }),
    ),
    took,
    model,
  })
  .meta({ title: 'Similar' });

/** POST /v1/items. */
export const itemsBody = z
  .strictObject({
    items: z
      .array(
        z.strictObject({
          item: itemId,
          title: z.string().trim().min(1).max(1000).refine(isText, NO_TEXT).describe('What prompts say.'),
          attributes: attributes.optional(),
        }),
      )
      .min(1)
      .max(1000),
  })
  .meta({ title: 'NewItems' });

/** The answer to POST /v1/items. */
export const itemsAdded = z
  .strictObject({
    added: z.number().int().describe('Items that came new.'),
    known: z
      .number()
      .int()
      .describe('Items that were known with this title; attributes that came with them are taken.'),
    ranked: z.boolean().describe('Whether the run can score them: it has a language model.'),
    took,
    model,
  })
  .meta({ title: 'ItemsAdded' });

/** POST /v1/events. */
export const eventsBody = z
  .strictObject({
    events: z
      .array(
        z.strictObject({
          id: id.describe('Id of the event, of your choice: an event that comes twice counts once.'),
          user: userId.describe('A user that nobody knows becomes known.'),
          item: itemId,
          label,
          timestamp: z
            .number()
            .int()
            .min(0)
            .max(2 ** 33, 'is no time in seconds')
            .optional()
            .describe('Seconds since 1970, UTC; at most a day ahead. Default: when the event arrives.'),
        }),
      )
      .min(1)
      .max(1000),
  })
  .meta({ title: 'Events' });

/** The answer to POST /v1/events. */
export const eventsTaken = z
  .strictObject({
    accepted: z.number().int().describe('Events that joined histories.'),
    duplicates: z.number().int().describe('Events that had come before.'),
    took,
    model,
  })
  .meta({ title: 'EventsTaken' });

const query = z.string().max(200).optional();
const limit = count(1, 1000, 50).describe('The most to give.');

/** The query of GET /v1/users. */
export const usersQuery = z.strictObject({ query: query.describe('Part of the id, in any case.'), limit });
/** The answer to GET /v1/users. */
export const usersAnswer = z.strictObject({ users: z.array(userId), took, model }).meta({ title: 'Users' });

/** The user of GET /v1/users/{id}. */
export const userParams = z.strictObject({ id: userId });
/** The answer to GET /v1/users/{id}. */
export const userAnswer = z
  .strictObject({
    user: userId,
    known,
    events: z
      .array(
        z.strictObject({
          item: itemId,
          title: z.string(),
          label,
          timestamp: z.number().nullable().describe('Seconds since 1970, UTC; null where the data has no times.'),
        }),
      )
      .describe('Likes and dislikes, oldest first.'),
    took,
    model,
  })
  .meta({ title: 'User' });

/** The query of GET /v1/items. */
export const itemsQuery = z.strictObject({ query: query.describe('Part of id or title, in any case.'), limit });
/** The answer to GET /v1/items. */
export const itemsAnswer = z.strictObject({ items: z.array(item), took, model }).meta({ title: 'Items' });
/** The query of GET /v1/attributes. */
export const attributesQuery = z.strictObject({ limit: limit.describe('The most texts of an attribute to give.') });
/** The answer to GET /v1/attributes. */
export const attributesAnswer = z
  .strictObject({
    attributes: z.array(
      z.union([
        z.strictObject({
          name: z.string(),
          type: z.literal('text'),
          values: z
            .array(z.strictObject({ value: z.string(), items: z.number().int().describe('Items that have it.') }))
            .describe('The most frequent first.'),
        }),
        z.strictObject({
          name: z.string(),
          type: z.literal('number'),
          min: z.number().nullable().describe('Null where no item has a number.'),
          max: z.number().nullable(),
        }),
      ]),
    ),
    took,
    model,
  })
  .meta({ title: 'Attributes' });
/** The answer to GET /v1/items/{item}. */
export const itemAnswer = item.extend({ took, model }).meta({ title: 'Item' });

/** The answer to GET /healthz. */
export const healthAnswer = z.strictObject({ ok: z.literal(true) }).meta({ title: 'Health' });
/** The answer to GET /readyz. */
export const readyAnswer = z
  .strictObject({
    ready: z.boolean(),
    reason: z.enum(['stopping', 'lost']).optional().describe('Why not.'),
    method: z.string().describe('Method of the run.'),
    parts: z.strictObject({ cf: z.boolean(), llm: z.boolean() }).describe('Parts of a score that the run can give.'),
    model,
  })
  .meta({ title: 'Readiness' });

/** Every refusal. */
export const problemAnswer = z
  .strictObject({
    error: z.strictObject({
      code: z.string().describe('Which kind of refusal it is; stable.'),
      message: z.string(),
      path: z.string().optional().describe('Where in the request.'),
      fix: z.string().optional().describe('What to do about it.'),
    }),
    requestId: z.string().describe('As in the header x-request-id.'),
  })
  .meta({ title: 'Problem' });
