// Generated text: people's tastes and what they would enjoy, and which words are alike.
import { article, words } from './words.mjs';

/**
 * A token laid over another: its embedding, times the strength, is added to the other's, as CF vectors are added to
 * those of a title or stand for a user.
 * @typedef {{ text: string, strength: number }} Overlay
 * Part of a text. The overlays of `with` lie over its first token, which itself counts `strength` times (1). An answer
 * has the chance of its being Yes that it is held against: its own 1 or 0, or what it was drawn from.
 * @typedef {{ text: string, strength?: number, with?: readonly Overlay[], chance?: number }} Part
 * @typedef {import('@crossgate/tensor').RandomStream} RandomStream
 * @typedef {import('./words.mjs').Word} Word
 */

/** How sharply a taste decides: so sharply that what a text says next can be told from what it said before. */
const sharpness = 4;
/** Most titles that a text names before it asks. */
const longestHistory = 12;
const mostQuestions = 6;

/** @param {string} word @returns {Overlay} */
const whole = (word) => ({ text: ` ${word}`, strength: 1 });

const ofFamily = (/** @type {string} */ family) => words.filter((word) => word.family === family);
export const families = ['mood', 'theme', 'pace', 'look'].map(ofFamily);

/** @param {RandomStream} random @param {number} bound */
export const below = (random, bound) => Math.floor(random.uniform() * bound);
/** @template T @param {RandomStream} random @param {readonly T[]} list @returns {T} */
export const pick = (random, list) => /** @type {T} */ (list[below(random, list.length)]);
/** A word of any family, each as likely. @param {RandomStream} random */
const pickWord = (random) => pick(random, pick(random, families));
/** @param {readonly number[]} a @param {readonly number[]} b */
export const dot = (a, b) => a.reduce((sum, value, axis) => sum + value * (b[axis] ?? 0), 0);
export const logistic = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/** A person's taste: a value on each axis of meaning. Many mind one or two axes only, which is easier to learn from.
 * @param {RandomStream} random @returns {number[]} */
function makeTaste(random) {
  const care = () => (random.uniform() < 0.6 ? 1 : 0);
  const sign = () => (random.uniform() < 0.5 ? -1 : 1);
  const level = () => care() * sign() * (0.5 + 0.9 * random.uniform());
  const taste = [level(), level(), level(), level()];
  return taste.some((value) => value !== 0) ? taste : makeTaste(random);
}

/** A title: an article, a mood, a theme; a pace and a look are laid over the article. Each family is there or not.
 * @param {RandomStream} random @param {(axis: number) => boolean} has */
function makeTitle(random, has) {
  const chosen = families.map((family, axis) => (has(axis) ? pick(random, family) : null));
  const said = chosen.map((word) => (word === null ? [] : [word.word]));
  const over = said.slice(2).flat();
  /** @type {Part[]} */
  const parts = [article, ...said.slice(0, 2).flat()].map((word, index) => ({
    text: index === 0 ? word : ` ${word}`,
    ...(index === 0 && over.length > 0 && { with: over.map(whole) }),
  }));
  return { parts, meaning: chosen.map((word, axis) => word?.meaning[axis] ?? 0) };
}

/** As the world's titles are: a mood and a theme always. @param {RandomStream} random */
const wholeTitle = (random) => makeTitle(random, (axis) => axis < 2 || random.uniform() < 0.7);
/** @param {RandomStream} random */
const anyTitle = (random) => makeTitle(random, () => random.uniform() < 0.6);

/**
 * A title drawn until the taste likes it.
 * @param {RandomStream} random
 * @param {readonly number[]} taste
 * @param {number} sharp
 */
function likedTitle(random, taste, sharp) {
  for (;;) {
    const title = wholeTitle(random);
    if (random.uniform() < logistic(sharp * dot(taste, title.meaning))) return title;
  }
}

/**
 * What somebody likes, then questions about other titles with their answers.
 * @param {RandomStream} random
 * @returns {Part[]}
 */
export function makePreferences(random) {
  const history = below(random, longestHistory + 1);
  const told = random.uniform() < 0.7 || history === 0;
  // A taste that is told in words is the words' own, and titles are weak signs of it. One that is not must be read from
  // titles.
  const spoken = likedWords(random);
  const taste = told ? sum(spoken) : makeTaste(random);
  const sharp = told ? 0.7 : sharpness;
  /** @type {Part[]} */
  const parts = [{ text: '#Question: A user has given high ratings to: ' }];
  if (history === 0) parts.push({ text: 'unknown.' });
  for (let i = 0; i < history; i++) {
    parts.push({ text: i === 0 ? '"' : '", "' }, ...likedTitle(random, taste, sharp).parts);
  }
  if (history > 0) parts.push({ text: '".' });
  if (told) {
    parts.push({ text: ' The user likes' });
    sayWords(random, parts, spoken);
    parts.push({ text: '.' });
  }
  const questions = 1 + below(random, mostQuestions);
  for (let i = 0; i < questions; i++) ask(random, parts, taste, wholeTitle(random));
  return parts;
}

/** What somebody is told to like, then questions about titles. @param {RandomStream} random @returns {Part[]} */
export function makeTold(random) {
  const spoken = likedWords(random);
  const parts = tell(random, spoken);
  for (let i = 0; i < 8; i++)
    ask(random, parts, sum(spoken), random.uniform() < 0.5 ? anyTitle(random) : wholeTitle(random));
  return parts;
}

/**
 * The same with titles of a single family that is liked: the easiest text, learned first.
 * @param {RandomStream} random
 * @returns {Part[]}
 */
export function makeFirstSteps(random) {
  const spoken = likedWords(random).slice(0, 2);
  const parts = tell(random, spoken);
  const axes = spoken.map(({ meaning }) => meaning.findIndex((value) => value !== 0));
  for (let i = 0; i < 8; i++) {
    const chosen = pick(random, axes);
    ask(
      random,
      parts,
      sum(spoken),
      makeTitle(random, (axis) => axis === chosen),
    );
  }
  return parts;
}

/** @param {RandomStream} random @param {readonly Word[]} spoken */
function tell(random, spoken) {
  /** @type {Part[]} */
  const parts = [{ text: '#Question: A user has given high ratings to: unknown. The user likes' }];
  sayWords(random, parts, spoken);
  parts.push({ text: '.' });
  return parts;
}

/** @param {readonly Word[]} list */
const sum = (list) =>
  list.reduce((total, { meaning }) => total.map((x, axis) => x + (meaning[axis] ?? 0)), [0, 0, 0, 0]);

/**
 * A question and its answer.
 * @param {RandomStream} random
 * @param {Part[]} parts
 * @param {readonly number[]} taste
 * @param {ReturnType<typeof makeTitle>} title
 */
function ask(random, parts, taste, title) {
  const answer = random.uniform() < logistic(sharpness * dot(taste, title.meaning)) ? ' Yes' : ' No';
  parts.push(
    { text: ' Would the user enjoy "' },
    ...title.parts,
    { text: '"? #Answer:' },
    { text: answer, chance: answer === ' Yes' ? 1 : 0 },
    { text: '.' },
  );
}

/**
 * Words in one place, or one behind the other.
 * @param {RandomStream} random
 * @param {Part[]} parts
 * @param {readonly Word[]} said
 */
function sayWords(random, parts, said) {
  const [first, ...rest] = said.map(({ word }) => word);
  if (random.uniform() < 0.7) parts.push({ text: ` ${first}`, with: rest.map(whole) });
  else
    for (const [index, word] of [first, ...rest].entries()) {
      if (index > 0) parts.push({ text: ',' });
      parts.push({ text: ` ${word}` });
    }
}

/** Words of one to four families, mostly of few: easier to learn from. @param {RandomStream} random */
function likedWords(random) {
  const left = [...families];
  const count = 1 + Math.floor(4 * random.uniform() ** 2);
  return Array.from({ length: count }, () => pick(random, left.splice(below(random, left.length), 1)[0] ?? []));
}

/** Words that one taste is drawn to, as a list: from it the model learns which words are alike.
 * @param {RandomStream} random @returns {Part[]} */
export function makeList(random) {
  const { meaning, family } = pickWord(random);
  const list = words.filter((word) => word.family === family && dot(word.meaning, meaning) > 0.1);
  /** @type {Part[]} */
  const parts = [{ text: 'The user likes' }];
  for (let i = 0; i < 16; i++) {
    if (i > 0) parts.push({ text: ',' });
    parts.push({ text: ` ${pick(random, list).word}` });
  }
  parts.push({ text: '.' });
  return parts;
}
