// Generated text: people's tastes and what they would enjoy, and which words are alike.
import { article, words } from './words.mjs';

/**
 * Parts of one text. The words of `with` lie over the part's first token: their embeddings are added to its own, as CF
 * vectors are added to those of a title or stand for a user.
 * @typedef {{ text: string, kind: 'text' | 'title' | 'answer', with?: readonly string[] }} Part
 * @typedef {import('@crossgate/tensor').RandomStream} RandomStream
 * @typedef {import('./words.mjs').Word} Word
 */

/** How sharply a taste decides: so sharply that what a text says next can be told from what it said before. */
const sharpness = 4;
/** Most titles that a text names before it asks. */
const longestHistory = 12;
const mostQuestions = 6;

const ofFamily = (/** @type {string} */ family) => words.filter((word) => word.family === family);
const [moods, themes, styles] = ['mood', 'theme', 'style'].map(ofFamily);

/** @param {RandomStream} random @param {number} bound */
const below = (random, bound) => Math.floor(random.uniform() * bound);
/** @template T @param {RandomStream} random @param {readonly T[]} list @returns {T} */
const pick = (random, list) => /** @type {T} */ (list[below(random, list.length)]);
/** @param {readonly number[]} a @param {readonly number[]} b */
const dot = (a, b) => a.reduce((sum, value, axis) => sum + value * (b[axis] ?? 0), 0);
const logistic = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/** A person's taste: a value on each axis of meaning. Many mind one or two axes only, which is easier to learn from.
 * @param {RandomStream} random @returns {number[]} */
function makeTaste(random) {
  const care = () => (random.uniform() < 0.6 ? 1 : 0);
  const sign = () => (random.uniform() < 0.5 ? -1 : 1);
  const level = () => care() * sign() * (0.5 + 0.9 * random.uniform());
  const angle = 2 * Math.PI * random.uniform();
  const style = 1.2 * care();
  const taste = [level(), level(), style * Math.cos(angle), style * Math.sin(angle)];
  return taste.some((value) => value !== 0) ? taste : makeTaste(random);
}

/** A title: an article or a style, a mood, a theme; or an article with a style laid over it. @param {RandomStream} random */
function makeTitle(random) {
  const style = random.uniform() < 0.7 ? pick(random, styles ?? []) : null;
  const over = style !== null && random.uniform() < 0.6;
  const [mood, theme] = [pick(random, moods ?? []), pick(random, themes ?? [])];
  const meaning = [mood.meaning[0], theme.meaning[1], style?.meaning[2] ?? 0, style?.meaning[3] ?? 0];
  const text = `${style === null || over ? article : style.word} ${mood.word} ${theme.word}`;
  /** @type {Part} */
  const part = { kind: 'title', text, ...(over && { with: [style.word] }) };
  return { part, meaning };
}

/** A title drawn until the taste likes it. @param {RandomStream} random @param {readonly number[]} taste @param {number} sharp */
function likedTitle(random, taste, sharp) {
  for (;;) {
    const title = makeTitle(random);
    if (random.uniform() < logistic(sharp * dot(taste, title.meaning))) return title;
  }
}

/** What somebody likes, then questions about other titles with their answers. @param {RandomStream} random @returns {Part[]} */
export function makePreferences(random) {
  const history = below(random, longestHistory + 1);
  const told = random.uniform() < 0.7 || history === 0;
  // A taste that is told in words is the words' own, and titles are weak signs of it. One that is not must be read from titles.
  const spoken = likedWords(random);
  const taste = told
    ? spoken.reduce((sum, { meaning }) => sum.map((x, axis) => x + (meaning[axis] ?? 0)), [0, 0, 0, 0])
    : makeTaste(random);
  const sharp = told ? 0.7 : sharpness;
  /** @type {Part[]} */
  const parts = [{ kind: 'text', text: '#Question: A user has given high ratings to: ' }];
  if (history === 0) parts.push({ kind: 'text', text: 'unknown.' });
  for (let i = 0; i < history; i++) {
    parts.push({ kind: 'text', text: i === 0 ? '"' : '", "' }, likedTitle(random, taste, sharp).part);
  }
  if (history > 0) parts.push({ kind: 'text', text: '".' });
  if (told) {
    parts.push({ kind: 'text', text: ' The user likes' });
    const [first, ...rest] = spoken.map(({ word }) => ` ${word}`);
    // Several words in one place, or one behind the other.
    if (random.uniform() < 0.7) parts.push({ kind: 'title', text: first ?? '', with: rest.map((word) => word.trim()) });
    else
      for (const [index, text] of [first ?? '', ...rest].entries()) {
        if (index > 0) parts.push({ kind: 'text', text: ',' });
        parts.push({ kind: 'title', text });
      }
    parts.push({ kind: 'text', text: '.' });
  }
  const questions = 1 + below(random, mostQuestions);
  for (let i = 0; i < questions; i++) {
    const title = makeTitle(random);
    const answer = random.uniform() < logistic(sharpness * dot(taste, title.meaning)) ? ' Yes' : ' No';
    parts.push(
      { kind: 'text', text: ' Would the user enjoy "' },
      title.part,
      { kind: 'text', text: '"? #Answer:' },
      { kind: 'answer', text: answer },
      { kind: 'text', text: '.' },
    );
  }
  return parts;
}

/** A word of one, two or three families. @param {RandomStream} random */
function likedWords(random) {
  const chosen = [moods, themes, styles]
    .filter(() => random.uniform() < 0.6)
    .map((family) => pick(random, family ?? []));
  return chosen.length > 0 ? chosen : [pick(random, words)];
}

/** Words that one taste is drawn to, as a list: from it the model learns which words are alike.
 * @param {RandomStream} random @returns {Part[]} */
export function makeList(random) {
  const { meaning, family } = pick(random, words);
  const list = words.filter((word) => word.family === family && dot(word.meaning, meaning) > 0.1);
  /** @type {Part[]} */
  const parts = [{ kind: 'text', text: 'The user likes' }];
  for (let i = 0; i < 16; i++) {
    if (i > 0) parts.push({ kind: 'text', text: ',' });
    parts.push({ kind: 'title', text: ` ${pick(random, list).word}` });
  }
  parts.push({ kind: 'text', text: '.' });
  return parts;
}

/** What somebody likes in a word, and questions about single words of the same families: the easiest text, learned first.
 * @param {RandomStream} random @returns {Part[]} */
export function makeWords(random) {
  const liked = [pick(random, words)];
  if (random.uniform() < 0.5)
    liked.push(
      pick(
        random,
        words.filter(({ family }) => family !== liked[0]?.family),
      ),
    );
  /** @type {Part[]} */
  const parts = [{ kind: 'text', text: '#Question: The user likes' }];
  for (const [index, { word }] of liked.entries()) {
    if (index > 0) parts.push({ kind: 'text', text: ',' });
    parts.push({ kind: 'title', text: ` ${word}` });
  }
  parts.push({ kind: 'text', text: '.' });
  for (let i = 0; i < 8; i++) {
    const { family, meaning } = pick(random, liked);
    const asked = pick(
      random,
      words.filter((word) => word.family === family && Math.abs(dot(word.meaning, meaning)) > 0.1),
    );
    parts.push(
      { kind: 'text', text: ' Would the user enjoy' },
      { kind: 'title', text: ` ${asked.word}` },
      { kind: 'text', text: '? #Answer:' },
      { kind: 'answer', text: dot(asked.meaning, meaning) > 0 ? ' Yes' : ' No' },
      { kind: 'text', text: '.' },
    );
  }
  return parts;
}
