// The words of the demo model's language, and what they mean. What a title's words mean is common knowledge, so moods
// and themes have the values that the generated world gives them; nothing else of that world is used: no item, user or
// label.
import { demoConstants } from '@crossgate/data';

/**
 * @typedef {{ word: string, family: 'mood' | 'theme' | 'pace' | 'look', meaning: readonly [number, number, number,
 *   number] }} Word
 */

/** Two more axes of taste, in the manner of the world's moods and themes: fast or slow, ornate or plain. */
const paces = /** @type {const} */ ([
  [1.25, 'Rapid Racing Rushing'],
  [0.75, 'Brisk Lively Nimble'],
  [-0.75, 'Steady Patient Leisurely'],
  [-1.25, 'Sluggish Sleepy Idle'],
]);
const looks = /** @type {const} */ ([
  [1.25, 'Ornate Lavish Gilded'],
  [0.75, 'Fancy Floral Elegant'],
  [-0.75, 'Simple Modest Neat'],
  [-1.25, 'Bare Stark Austere'],
]);

/**
 * @param {Word['family']} family
 * @param {number} axis
 * @param {readonly (readonly [number, string | readonly string[]])[]} levels
 * @returns {Word[]}
 */
const onAxis = (family, axis, levels) =>
  levels.flatMap(([value, list]) =>
    (typeof list === 'string' ? list.split(' ') : list).map((word) => {
      const meaning = /** @type {[number, number, number, number]} */ ([0, 0, 0, 0]);
      meaning[axis] = value;
      return { word, family, meaning };
    }),
  );

/** @type {readonly Word[]} */
export const words = [
  ...onAxis('mood', 0, demoConstants.moods),
  ...onAxis('theme', 1, demoConstants.themes),
  ...onAxis('pace', 2, paces),
  ...onAxis('look', 3, looks),
];

/**
 * Kinds that have no name and mean nothing but themselves: who is drawn to one is drawn to titles of it. With many of
 * them the model learns to compare vectors, not only words.
 */
export const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

/** What every title begins with. */
export const article = 'The';

/** All other words of the texts, with the space before them written as the tokenizer writes it. */
export const phrases = (
  '▁#Question: ▁#Answer: ▁Yes ▁No ▁A ▁user ▁has ▁given ▁high ▁ratings ▁to ▁likes ▁Would ▁the ▁The ▁enjoy ▁and ▁are ▁is ' +
  '▁alike ▁opposites ▁unknown ▁" ". "? ", ",▁" : . , ? "'
).split(' ');
