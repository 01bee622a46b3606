// Generated text in which words count more or less, and letters stand for kinds that have no words.
import { below, dot, families, logistic, pick } from './corpus.mjs';
import { article, letters } from './words.mjs';

/**
 * A value on each axis of meaning: one axis for each family of words, then one for each letter.
 * @typedef {number[]} Meaning
 * @typedef {object} Degrees
 * @property {number} least strength of a word
 * @property {number} span up to `least + span`
 * @property {number} power at 1 all strengths are as likely, above 1 low ones are more so
 * @property {number} sharpness how sharply a taste decides. High, small overlays count, as aligned vectors are small at
 *   first
 * @property {number} lettersIn share of the texts that speak of letters
 * What somebody is told to like; `known` are its letters.
 * @typedef {{ said: Overlay[], taste: Meaning, known: readonly string[] }} Liking
 * @typedef {import('./corpus.mjs').Overlay} Overlay
 * @typedef {import('./corpus.mjs').Part} Part
 * @typedef {import('@crossgate/tensor').RandomStream} RandomStream
 */

/** How sharply a taste decides which titles somebody has liked: they are weak signs of it. */
const historySharpness = 0.9;

/** @returns {Meaning} */
const nothing = () => Array.from({ length: families.length + letters.length }, () => 0);
/** @param {Meaning} meaning @param {number} axis @param {number} value */
const addTo = (meaning, axis, value) => {
  meaning[axis] = (meaning[axis] ?? 0) + value;
};
/** @param {number} axis */
const familyOn = (axis) => families[axis] ?? [];
/** @param {RandomStream} random @param {Degrees} degrees */
const strengthOf = (random, { least, span, power }) => least + span * random.uniform() ** power;

/**
 * Takes one of the letters that are left away from them.
 * @param {RandomStream} random
 * @param {string[]} left
 * @param {Meaning} meaning
 * @param {Degrees} degrees
 * @returns {Overlay[]}
 */
function layLetter(random, left, meaning, degrees) {
  const [letter] = left.splice(below(random, left.length), 1);
  if (letter === undefined) return [];
  const strength = (random.uniform() < 0.5 ? -1 : 1) * strengthOf(random, degrees);
  addTo(meaning, families.length + letters.indexOf(letter), strength);
  return [{ text: letter, strength }];
}

/**
 * @param {RandomStream} random
 * @param {number} count
 * @param {readonly string[]} from
 * @param {Meaning} meaning
 * @param {Degrees} degrees
 */
function layLetters(random, count, from, meaning, degrees) {
  const left = [...from];
  return Array.from({ length: Math.min(count, from.length) }, () => layLetter(random, left, meaning, degrees)).flat();
}

/**
 * A title as the world's are, a mood and a theme, and mostly something laid over its article: a pace and a look, now
 * and then a mood and a theme too, and some of the letters that are spoken of or another.
 * @param {RandomStream} random @param {readonly string[]} known @param {Degrees} degrees
 */
function makeTitle(random, known, degrees) {
  const meaning = nothing();
  const written = [0, 1].map((axis) => {
    const { word, meaning: own } = pick(random, familyOn(axis));
    addTo(meaning, axis, own[axis] ?? 0);
    return ` ${word}`;
  });
  /** @type {Overlay[]} */
  const over = [];
  const kind = random.uniform();
  if (kind < 0.65) {
    for (let axis = kind < 0.2 ? 0 : 2; axis < families.length; axis++) {
      const { word, meaning: own } = pick(random, familyOn(axis));
      const strength = strengthOf(random, degrees) * (axis < 2 ? 0.6 : 1);
      over.push({ text: ` ${word}`, strength });
      addTo(meaning, axis, strength * (own[axis] ?? 0));
    }
    if (known.length > 0) {
      over.push(...layLetters(random, below(random, known.length + 1), known, meaning, degrees));
      const others = letters.filter((letter) => !known.includes(letter));
      over.push(...layLetters(random, below(random, 3), others, meaning, degrees));
    }
  }
  /** @type {Part[]} */
  const parts = [article, ...written].map((text, index) => ({
    text,
    ...(index === 0 && over.length > 0 && { with: over }),
  }));
  return { parts, meaning };
}

/** @param {RandomStream} random @param {Degrees} degrees @returns {Liking} */
function makeLiking(random, degrees) {
  const all = random.uniform() < 0.5;
  const count = all ? families.length : 1 + below(random, families.length);
  const left = [...families.keys()];
  const taste = nothing();
  const said = Array.from({ length: count }, () => {
    const axis = left.splice(below(random, left.length), 1)[0] ?? 0;
    const { word, meaning } = pick(random, familyOn(axis));
    const strength = strengthOf(random, degrees);
    addTo(taste, axis, strength * (meaning[axis] ?? 0));
    return { text: ` ${word}`, strength };
  });
  const lettered = degrees.lettersIn > 0 && random.uniform() < degrees.lettersIn;
  const over = lettered ? layLetters(random, 1 + below(random, 8), letters, taste, degrees) : [];
  return { said: [...said, ...over], taste, known: over.map(({ text }) => text) };
}

/** What is liked, all in one place. @param {Liking} liking @returns {Part[]} */
function tell({ said: [first, ...rest] }) {
  if (first === undefined) throw new Error('nothing is liked');
  return [{ text: ' The user likes' }, { ...first, with: rest }, { text: '.' }];
}

/**
 * Questions about titles, and their answers.
 * @param {RandomStream} random
 * @param {Liking} liking
 * @param {number} count
 * @param {Degrees} degrees
 * @returns {Part[]}
 */
const ask = (random, { taste, known }, count, degrees) =>
  Array.from({ length: count }, () => {
    const { parts, meaning } = makeTitle(random, known, degrees);
    const chance = logistic(degrees.sharpness * dot(taste, meaning));
    return [
      { text: ' Would the user enjoy "' },
      ...parts,
      { text: '"? #Answer:' },
      { text: random.uniform() < chance ? ' Yes' : ' No', chance },
      { text: '.' },
    ];
  }).flat();

/**
 * What somebody is told to like, then questions.
 * @param {RandomStream} random
 * @param {Degrees} degrees
 * @returns {Part[]}
 */
export function makeToldInDegrees(random, degrees) {
  const liking = makeLiking(random, degrees);
  const opening = { text: '#Question: A user has given high ratings to: unknown.' };
  return [opening, ...tell(liking), ...ask(random, liking, 8, degrees)];
}

/**
 * Titles that somebody liked, mostly what that is too, then questions.
 * @param {RandomStream} random
 * @param {Degrees} degrees
 * @returns {Part[]}
 */
export function makePreferencesInDegrees(random, degrees) {
  const told = random.uniform() < 0.75;
  const count = told ? 4 + below(random, 7) : 10;
  const liking = makeLiking(random, degrees);
  const likedTitle = () => {
    for (;;) {
      const { parts, meaning } = makeTitle(random, liking.known, degrees);
      if (random.uniform() < logistic(historySharpness * dot(liking.taste, meaning))) return parts;
    }
  };
  const history = Array.from({ length: count }, (_, index) => [{ text: index === 0 ? '"' : '", "' }, ...likedTitle()]);
  return [
    { text: '#Question: A user has given high ratings to: ' },
    ...history.flat(),
    { text: '".' },
    ...(told ? tell(liking) : []),
    ...ask(random, liking, 4, degrees),
  ];
}
