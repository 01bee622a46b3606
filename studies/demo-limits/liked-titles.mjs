// What the titles that a user liked tell about another title: Bayes' rule over the tastes that the world has.
import { demoConstants } from '@crossgate/data';

/** @typedef {import('@crossgate/data').Dataset} Dataset */

const logistic = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/** What circles can add to a logit: one value for each pair of circles, all equally likely. */
const circleParts = demoConstants.circles.flatMap(([ax, ay]) =>
  demoConstants.circles.map(([bx, by]) => demoConstants.circleWeight * (ax * bx + ay * by)),
);

/** Every taste for titles that a user can have, all equally likely. */
const tastes = demoConstants.tasteLevels.flatMap((first) =>
  demoConstants.tasteLevels.map((second) => /** @type {const} */ ([first, second])),
);

/**
 * The chance of a like for somebody with this taste who is shown a title of this meaning, averaged over circles (exact)
 * and biases (normal; σ of a normal number is close to σ of its shrunken mean).
 *
 * @param {ArrayLike<number>} taste
 * @param {ArrayLike<number>} meaning
 */
export function chanceOfLike(taste, meaning) {
  const { intercept, titleWeight, userBiasDeviation, itemBiasDeviation } = demoConstants;
  const dot = Number(taste[0]) * Number(meaning[0]) + Number(taste[1]) * Number(meaning[1]);
  const shrink = 1 / Math.sqrt(1 + (Math.PI / 8) * (userBiasDeviation ** 2 + itemBiasDeviation ** 2));
  let sum = 0;
  for (const circle of circleParts) sum += logistic(shrink * (intercept + titleWeight * dot + circle));
  return sum / circleParts.length;
}

/**
 * Scores the rows of a split by the chance of a like, given the meanings of the last `count` titles that the user liked
 * before the row and of the row's own: what a perfect reader of a prompt with that many titles would answer. Titles
 * are shown whatever the taste, and every taste likes the same share of them, so that a like weighs as its chance.
 *
 * @param {Dataset} dataset the data set `demo`
 * @param {Float64Array} meanings by dense item id, two numbers each
 * @param {'valid' | 'test'} part
 * @param {number} count
 */
export function scoreByLikedTitles(dataset, meanings, part, count) {
  const { rows, item } = dataset.splits[part];
  const meaningOf = (/** @type {number} */ id) => meanings.subarray(2 * id, 2 * id + 2);
  // chances[taste][dense item id]
  const chances = tastes.map((taste) => dataset.items.map((_, id) => chanceOfLike(taste, meaningOf(id))));
  const scores = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const liked = dataset.history(part, row, count);
    let weights = 0;
    let sum = 0;
    for (const chance of chances) {
      let weight = 1;
      for (const id of liked) weight *= Number(chance[id]);
      weights += weight;
      sum += weight * Number(chance[Number(item[row])]);
    }
    scores[row] = sum / weights;
  }
  return scores;
}
