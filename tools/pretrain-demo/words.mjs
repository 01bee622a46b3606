// The words of the demo model's language, and what they mean. What a title's words mean is common knowledge, so moods and
// themes have the values that the generated world gives them; nothing else of that world is used: no item, user or label.
import { demoConstants } from '@crossgate/data';

/** @typedef {{ word: string, family: 'mood' | 'theme' | 'style', meaning: readonly [number, number, number, number] }} Word */

/** Styles of music around a circle, three words in each of eight directions: a plane of taste of its own. */
const styleDirections = [
  'Jazz Blues Swing',
  'Soul Gospel Funk',
  'Disco Techno Trance',
  'Punk Metal Grunge',
  'Rock Surf Garage',
  'Country Bluegrass Folk',
  'Waltz Polka March',
  'Opera Sonata Fugue',
];

/** @type {readonly Word[]} */
export const words = [
  ...demoConstants.moods.flatMap(([value, list]) =>
    list.map((word) => /** @type {Word} */ ({ word, family: 'mood', meaning: [value, 0, 0, 0] })),
  ),
  ...demoConstants.themes.flatMap(([value, list]) =>
    list.map((word) => /** @type {Word} */ ({ word, family: 'theme', meaning: [0, value, 0, 0] })),
  ),
  ...styleDirections.flatMap((list, index) => {
    const angle = (index * Math.PI) / 4;
    const meaning = /** @type {const} */ ([0, 0, 1.4 * Math.cos(angle), 1.4 * Math.sin(angle)]);
    return list.split(' ').map((word) => /** @type {Word} */ ({ word, family: 'style', meaning }));
  }),
];

/** What a title begins with when it tells no style. */
export const article = 'The';

/** All other words of the texts, with the space before them written as the tokenizer writes it. */
export const phrases = (
  '▁#Question: ▁#Answer: ▁Yes ▁No ▁A ▁user ▁has ▁given ▁high ▁ratings ▁to ▁likes ▁Would ▁the ▁The ▁enjoy ▁and ▁are ▁is ' +
  '▁alike ▁opposites ▁unknown ▁" ". "? ", ",▁" : . , ? "'
).split(' ');
