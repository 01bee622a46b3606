// All numbers of the generated world. They were chosen by oracles and reference estimators, not by the results of any
// method, and must not be tuned.

/**
 * Words of titles with their meaning: `[value, words]`. Bright moods and far-away themes are positive, dark and homely
 * ones negative.
 */
export type WordLevels = readonly (readonly [value: number, words: readonly string[]])[];

function freeze<T extends object>(value: T): Readonly<T> {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) freeze(part);
  return Object.freeze(value);
}

const words = (text: string): readonly string[] => text.split(' ');

/** Ten words on each of four levels: the first axis of a title. */
const moods: WordLevels = [
  [1.25, words('Radiant Golden Merry Joyful Glorious Sunny Blissful Shining Festive Jolly')],
  [0.75, words('Quiet Gentle Tender Warm Kind Calm Hopeful Friendly Sweet Soft')],
  [-0.75, words('Pale Lonely Faded Distant Weary Cold Sullen Silent Misty Gray')],
  [-1.25, words('Grim Cruel Bitter Haunted Savage Wicked Wretched Cursed Ruthless Dreadful')],
];

/** Twelve words on each of four levels: the second axis of a title. */
const themes: WordLevels = [
  [1.25, words('Dragon Comet Starship Galaxy Wizard Phantom Kraken Planet Oracle Titan Portal Meteor')],
  [0.75, words('Desert Jungle Mountain Island Voyage Ocean Canyon Glacier Caravan Volcano Horizon Expedition')],
  [-0.75, words('Harbor Village Garden Meadow Orchard Market Bakery River Library Station School Street')],
  [-1.25, words('Kitchen Cradle Hearth Family Wedding Sister Teapot Quilt Grandmother Neighbor Doorstep Window')],
];

/**
 * The eight hidden circles: points of a plane that no title mentions. Every item belongs to one circle, and every
 * user's hidden taste is one of the same eight points.
 */
const circles: readonly (readonly [number, number])[] = [
  [1.25, 0.75],
  [0.75, 1.25],
  [-0.75, 1.25],
  [-1.25, 0.75],
  [-1.25, -0.75],
  [-0.75, -1.25],
  [0.75, -1.25],
  [1.25, -0.75],
];

/**
 * The constants of the generated world, version 2. They are frozen: any change makes another world and needs a new
 * version.
 */
export const demoConstants = freeze({
  version: 2,
  seed: 20_240_229,

  moods,
  themes,
  circles,
  /** A user's value on each of the two title axes is one of these, with equal chances. */
  tasteLevels: [1.25, 0.75, -0.75, -1.25] as readonly number[],

  /** Users with rows in train, and users who join later: one half when valid starts, one half when test starts. */
  warmUsers: 950,
  coldUsers: 50,
  /** Items on offer from the start, and items released later: one half when valid starts, one half when test starts. */
  warmItems: 700,
  coldItems: 800,

  /**
   * logit = intercept + titleWeight · (taste · title) + circleWeight · (hidden taste · circle) + user bias + item bias.
   */
  intercept: 0,
  titleWeight: 0.8,
  circleWeight: 0.65,
  userBiasDeviation: 0.2,
  itemBiasDeviation: 0.2,

  /** The item of popularity rank r = 0, 1, … is shown with a weight in proportion to 1 / (r + popularityOffset). */
  popularityOffset: 40,
  /** Rows of a user: `rowsAtLeast`, plus up to `rowsSpread`, plus, for one user in `eagerOneIn`, up to `rowsEager`. */
  rowsAtLeast: 160,
  rowsSpread: 80,
  eagerOneIn: 4,
  rowsEager: 120,
  /** Rows of a user who joins late: at least, plus up to. */
  coldRowsAtLeast: 8,
  coldRowsSpread: 10,

  /** 2024-01-01T00:00:00Z, in seconds; the world lasts 360 days, of which valid and test are the last 60 each. */
  start: 1_704_067_200,
  day: 86_400,
  validDay: 240,
  testDay: 300,
  endDay: 360,
});
