// Hybrid prompts: text, slots, truncation, answers.
import type { Tokenizer } from '@crossgate/llm';
import { describe, expect, it } from 'vitest';
import {
  ccf,
  fillNoun,
  findAnswerTokens,
  kinds,
  methods,
  PromptBuilder,
  type PromptOptions,
  packPrompts,
  stagesOf,
  type TrainingStrategy,
  tallrec,
  usesCf,
  usesGate,
} from '../src';
import { marks, tinyTokenizer } from './tiny';

const titles = ['', ' Calm Story ', 'Loud, "Loud" Story', 'Third', 'Fourth'];
const options = { template: fillNoun(ccf.template, 'items'), historyLength: 10, maxLength: 200, slots: ccf.slots };

describe('the paper template', () => {
  it('is filled on one line, titles trimmed and quoted', () => {
    const builder = new PromptBuilder(tinyTokenizer, titles, options);
    expect(builder.describe({ user: 3, item: 2, history: [1, 3] })).toBe(
      '#Question: A user has given high ratings to the following items: "Calm Story", "Third". Additionally, we have ' +
        "information about the user's preferences encoded in the feature [User 3]. Using all available information, " +
        'make a prediction about whether the user would enjoy the item "Loud, "Loud" Story". Answer with "Yes" or "No". #Answer:',
    );
  });

  it('says unknown where there is no history, and takes the last items of a long one', () => {
    const builder = new PromptBuilder(tinyTokenizer, titles, { ...options, historyLength: 2 });
    expect(builder.describe({ user: 1, item: 1, history: [] })).toContain('following items: unknown. Additionally');
    expect(builder.describe({ user: 1, item: 1, history: [1, 2, 3, 4] })).toContain('items: "Third", "Fourth". Add');
  });

  it('marks title tokens with their item and the user slot with the user', () => {
    const builder = new PromptBuilder(tinyTokenizer, titles, options);
    const prompt = builder.build({ user: 3, item: 2, history: [1, 3] });
    const { tokenIds } = prompt;
    const { items, users } = marks(prompt);
    expect(tokenIds[0]).toBe(1);
    expect(Array.from(items).filter((item, i) => item > 0 && item !== items[i - 1])).toEqual([1, 3, 2]);
    expect(Array.from(items).filter((item) => item === 1)).toHaveLength(2);
    expect(Array.from(users).filter(Boolean)).toEqual([3]);
    expect(tokenIds[users.indexOf(3)]).toBe(-1);
    expect(Array.from(tokenIds).filter((token) => token === -1)).toHaveLength(1);
    // Titles are tokenised on their own.
    const expected = tinyTokenizer.encode('Calm Story');
    expect(Array.from(tokenIds.filter((_, i) => items[i] === 1))).toEqual(expected);
  });

  it('says whether there is room for a title, and keeps nothing of it', () => {
    const builder = new PromptBuilder(tinyTokenizer, titles, options);
    expect(builder.fits('A new story')).toBe(true);
    expect(builder.fits('story '.repeat(200))).toBe(false);
    const item = builder.addItem('Fifth');
    expect(item).toBe(titles.length);
    expect(builder.describe({ user: 1, item, history: [] })).toContain('"Fifth"');
    expect(marks(builder.build({ user: 1, item, history: [] })).items).toContain(item);
  });

  it('drops the oldest items first, never the question', () => {
    const whole = new PromptBuilder(tinyTokenizer, titles, options).build({ user: 1, item: 4, history: [1, 2, 3] });
    const shorter = new PromptBuilder(tinyTokenizer, titles, { ...options, maxLength: whole.tokenIds.length - 1 });
    const prompt = shorter.build({ user: 1, item: 4, history: [1, 2, 3] });
    expect([...new Set(marks(prompt).items)]).toEqual([0, 2, 3, 4]);
    expect(prompt.tokenIds.at(-1)).toBe(whole.tokenIds.at(-1));
    const none = new PromptBuilder(tinyTokenizer, titles, { ...options, maxLength: 20 });
    expect(() => none.build({ user: 1, item: 4, history: [1] })).toThrow(
      /without history has \d+ tokens, more than the 20/,
    );
  });

  it('refuses unknown items and templates without a target', () => {
    const builder = new PromptBuilder(tinyTokenizer, titles, options);
    expect(() => builder.build({ user: 1, item: 9, history: [] })).toThrow(/item 9 is not in the data set/);
    expect(() => new PromptBuilder(tinyTokenizer, titles, { ...options, template: 'Like it?' })).toThrow(
      /no \{item\} slot/,
    );
  });
});

it('TALLRec is text alone, with the other noun', () => {
  const template = fillNoun(tallrec.template, 'movies');
  const builder = new PromptBuilder(tinyTokenizer, titles, { ...options, template, slots: tallrec.slots });
  const text = builder.describe({ user: 3, item: 2, history: [1] });
  expect(text).toContain('following movies: "Calm Story". Leverage');
  expect(text).toContain('enjoy the movie titled "Loud, "Loud" Story"? Answer with "Yes" or "No". \\n#Answer:');
  const prompt = builder.build({ user: 3, item: 2, history: [1] });
  expect(prompt.entities.every((entity) => entity === 0)).toBe(true);
  expect(prompt.kinds.every((kind) => kind === 0)).toBe(true);
});

describe('titles that spell a placeholder', () => {
  const spelled = ['{user}', '{item}', '{history}', '{itemVector}', '[User 3]', '<unk> {user}', '"{item}", "{user}"'];
  const ids = spelled.map((_, index) => index + 1);
  const innocent = spelled.map((title) => Array(tinyTokenizer.encode(title).length).fill('calm').join(' '));
  const stages = methods.flatMap((method) =>
    (Object.keys(method.strategies) as TrainingStrategy[]).flatMap((strategy) =>
      [...stagesOf(method, strategy), method].map(({ template }) => [method.name, template, method.slots] as const),
    ),
  );

  it.each(stages)('%s: slots are where the template has them (%s)', (_, template, slots) => {
    const build = (titles: readonly string[]) => {
      const given = { ...options, template: fillNoun(template, 'items'), slots };
      const builder = new PromptBuilder(tinyTokenizer, ['', ...titles], given);
      return ids.map((item) => builder.build({ user: 3, item, history: ids.filter((id) => id !== item) }));
    };
    const [odd, plain] = [build(spelled), build(innocent)];
    for (const [index, prompt] of odd.entries()) {
      const other = plain[index]!;
      expect(prompt.kinds).toEqual(other.kinds);
      expect(prompt.entities).toEqual(other.entities);
      expect(prompt.sharedLength).toBe(other.sharedLength);
      // The same positions hold a vector alone; elsewhere, as many tokens differ as the titles have.
      const alone = ({ tokenIds }: typeof prompt) => [...tokenIds.keys()].filter((at) => tokenIds[at] === -1);
      expect(alone(prompt)).toEqual(alone(other));
      expect(prompt.tokenIds).not.toEqual(other.tokenIds);
      if (usesGate({ slots })) {
        const outside = prompt.tokenIds.filter((_, at) => prompt.kinds[at] !== kinds.title);
        expect(outside).toEqual(other.tokenIds.filter((_, at) => other.kinds[at] !== kinds.title));
      }
    }
    expect(packPrompts(odd).positions.cfRows).toEqual(packPrompts(plain).positions.cfRows);
    expect(packPrompts(odd).learnedRows).toEqual(packPrompts(plain).learnedRows);
  });
});

describe('answer tokens', () => {
  it('are the single tokens where there are any', () => {
    expect(findAnswerTokens(tinyTokenizer)).toEqual({ prefix: new Int32Array(0), yes: 2, no: 3 });
  });

  it('are the first that differ, with the common prefix in the prompt', () => {
    const spelled = {
      ...tinyTokenizer,
      encode: (text: string) => (text === ' Yes' ? [9, 5, 6] : text === ' No' ? [9, 7] : tinyTokenizer.encode(text)),
    };
    expect(findAnswerTokens(spelled)).toEqual({ prefix: Int32Array.of(9), yes: 5, no: 7 });
    const builder = new PromptBuilder(spelled, titles, options);
    expect(builder.build({ user: 1, item: 1, history: [] }).tokenIds.at(-1)).toBe(9);
  });
});

it('packing numbers items before users, each once', () => {
  const builder = new PromptBuilder(tinyTokenizer, titles, options);
  const prompts = [builder.build({ user: 3, item: 2, history: [1] }), builder.build({ user: 3, item: 1, history: [] })];
  const batch = packPrompts(prompts);
  expect(batch.lengths).toEqual(prompts.map(({ tokenIds }) => tokenIds.length));
  expect(Array.from(batch.items)).toEqual([1, 2]);
  expect(Array.from(batch.users)).toEqual([3]);
  const { tokenIds, cfRows, textRows } = batch.positions;
  tokenIds.forEach((token, p) => {
    if (token === -1) expect([cfRows[p], textRows[p]]).toEqual([2, -1]);
    else if (cfRows[p]! >= 0) expect(batch.titleTokens[textRows[p]!]).toBe(token);
    else expect(textRows[p]).toBe(-1);
  });
});

describe('packPrompts', () => {
  const builder = new PromptBuilder(tinyTokenizer, titles, options);
  const prompts = [1, 2].map((item) => builder.build({ user: 3, item, history: [1] }));
  const rowsOfUsers = ({ items, positions: { cfRows, tokenIds } }: ReturnType<typeof packPrompts>) =>
    [...cfRows].filter((_, i) => tokenIds[i] === -1).map((row) => row - items.length);

  it('shares the vector of a user that is known by id', () => {
    const batch = packPrompts(prompts);
    expect([...batch.users]).toEqual([3]);
    expect(batch.histories).toBeUndefined();
    expect(rowsOfUsers(batch)).toEqual([0, 0]);
  });

  it('gives a user a vector per prompt where it is made of a history', () => {
    const histories = [Int32Array.of(4), Int32Array.of(4, 1)];
    const batch = packPrompts(prompts.map((prompt, i) => ({ ...prompt, userHistory: histories[i]! })));
    expect([...batch.users]).toEqual([3, 3]);
    expect(batch.histories).toEqual(histories);
    expect(rowsOfUsers(batch)).toEqual([0, 1]);
  });
});

describe('slots', () => {
  it.each([
    [
      'a vector in a method of text alone',
      tallrec,
      'for {user}: {item}',
      /nothing fills the slot \{user\}.*\{history\}, \{item\}/,
    ],
    ['a word that is no slot', ccf, 'the {movie} {item}', /nothing fills the slot \{movie\}/],
    ['a name of JavaScript itself', ccf, '{constructor} {item}', /nothing fills the slot \{constructor\}/],
    ['no candidate', ccf, 'for {user}', /has no \{item\} slot/],
  ])('refuse %s', (_, method, template, message) => {
    const build = () => new PromptBuilder(tinyTokenizer, titles, { ...options, slots: method.slots, template });
    expect(build).toThrow(message);
  });

  it('say whether a method needs CF vectors, and which strategies it has', () => {
    expect([usesCf(ccf), usesCf(tallrec)]).toEqual([true, false]);
    expect(stagesOf(ccf, 'end-to-end')).toEqual([
      { settings: 'stage1', trains: ['lora', 'fusion', 'cf'], best: 'carry', template: ccf.template },
    ]);
    expect(() => stagesOf(tallrec, 'end-to-end')).toThrow(
      'training.strategy: tallrec cannot be trained end-to-end; choose stage1-only',
    );
  });
});

describe('a prompt keeps to the rules of its tokenizer', () => {
  /** A token per letter; `<c>` is 2 where it may be read as a token, 1 begins a text. */
  const tokenizer = (addsBos: boolean): Tokenizer => ({
    ...tinyTokenizer,
    addsBos,
    encode: (text, { bos = false, control = false } = {}) => {
      const mayRead = typeof control === 'function' ? control : () => control;
      const ids: number[] = bos ? [1] : [];
      for (let at = 0; at < text.length; at++) {
        if (text.startsWith('<c>', at) && mayRead(at, at + 3)) {
          ids.push(2);
          at += 2;
        } else ids.push(1000 + text.charCodeAt(at));
      }
      return ids;
    },
  });
  const template = '<c>What {nouns}, {noun} {history}? <c>{item}';
  const build = (given: Partial<PromptOptions> & { addsBos?: boolean } = {}) => {
    const { addsBos = true, ...changes } = given;
    const titles = ['', 'A<c>', '<c>'];
    const builder = new PromptBuilder(tokenizer(addsBos), titles, { ...options, template, nouns: 'films', ...changes });
    return Array.from(builder.build({ user: 1, item: 2, history: [1] }).tokenIds);
  };
  const count = (tokens: readonly number[], id: number) => tokens.filter((token) => token === id).length;

  it('control tokens of the template are read, those of titles and nouns are text', () => {
    expect(count(build(), 2)).toBe(2);
    expect(count(build({ nouns: '<c>s' }), 2)).toBe(2);
    // Nothing is made of a sign of the template and one of the noun.
    expect(count(build({ template: 'a <c{noun} {item}', nouns: '>x' }), 2)).toBe(0);
    const spelled = build({ nouns: '<c>s' }).filter((id) => id === 1000 + '<'.charCodeAt(0));
    expect(spelled).toHaveLength(4);
  });

  it('nouns that look like slots are text', () => {
    const text = build({ nouns: '{user}s' }).map((id) => String.fromCharCode(id - 1000));
    expect(text.join('')).toContain('What {user}s, {user} "');
  });

  it('begins as the model was trained, whatever stands first', () => {
    expect(build()[0]).toBe(1);
    expect(count(build({ addsBos: false }), 1)).toBe(0);
    expect(build({ template: '{user} {item}' }).slice(0, 2)).toEqual([1, -1]);
    expect(build({ template: '{user} {item}', addsBos: false })[0]).toBe(-1);
  });
});
