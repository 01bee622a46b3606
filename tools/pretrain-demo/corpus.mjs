// Generated text: people's tastes and what they would enjoy, and which words are alike.
import { article, words } from './words.mjs';

/**
 * Parts of one text. `weight` is what the loss of the part's tokens counts: answers tell most, titles are chance.
 * @typedef {{ text: string, kind: 'text' | 'title' | 'answer' }} Part
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

/** A title: an article or a style, a mood, a theme. @param {RandomStream} random */
function makeTitle(random) {
  const style = random.uniform() < 0.5 ? pick(random, styles ?? []) : null;
  const [mood, theme] = [pick(random, moods ?? []), pick(random, themes ?? [])];
  const meaning = [mood.meaning[0], theme.meaning[1], style?.meaning[2] ?? 0, style?.meaning[3] ?? 0];
  return { text: `${style?.word ?? article} ${mood.word} ${theme.word}`, meaning };
}

/** A title drawn until the taste likes it. @param {RandomStream} random @param {number[]} taste */
function likedTitle(random, taste) {
  for (;;) {
    const title = makeTitle(random);
    if (random.uniform() < logistic(sharpness * dot(taste, title.meaning))) return title;
  }
}

/** A word that the taste is drawn to. @param {RandomStream} random @param {number[]} taste */
function likedWord(random, taste) {
  for (;;) {
    const word = pick(random, words);
    if (random.uniform() < logistic(sharpness * (dot(taste, word.meaning) - 0.7))) return word;
  }
}

/** What somebody likes, then questions about other titles with their answers. @param {RandomStream} random @returns {Part[]} */
export function makePreferences(random) {
  const taste = makeTaste(random);
  /** @type {Part[]} */
  const parts = [{ kind: 'text', text: '#Question: A user has given high ratings to: ' }];
  const history = below(random, longestHistory + 1);
  const told = random.uniform() < 0.6 || history === 0;
  if (history === 0) parts.push({ kind: 'text', text: 'unknown.' });
  for (let i = 0; i < history; i++) {
    parts.push({ kind: 'text', text: i === 0 ? '"' : '", "' }, { kind: 'title', text: likedTitle(random, taste).text });
  }
  if (history > 0) parts.push({ kind: 'text', text: '".' });
  if (told) {
    parts.push({ kind: 'text', text: ' The user likes' });
    // One word as a rule: in a prompt for recommendation the user's vector stands here.
    const count = random.uniform() < 0.6 ? 1 : 2 + below(random, 2);
    for (let i = 0; i < count; i++) {
      if (i > 0) parts.push({ kind: 'text', text: ',' });
      parts.push({ kind: 'title', text: ` ${likedWord(random, taste).word}` });
    }
    parts.push({ kind: 'text', text: '.' });
  }
  const questions = 1 + below(random, mostQuestions);
  for (let i = 0; i < questions; i++) {
    const title = makeTitle(random);
    const answer = random.uniform() < logistic(sharpness * dot(taste, title.meaning)) ? ' Yes' : ' No';
    parts.push(
      { kind: 'text', text: ' Would the user enjoy "' },
      { kind: 'title', text: title.text },
      { kind: 'text', text: '"? #Answer:' },
      { kind: 'answer', text: answer },
      { kind: 'text', text: '.' },
    );
  }
  return parts;
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
