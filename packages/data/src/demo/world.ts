/** The generated world behind the data set `demo`: users, items and events, with what is hidden from models. */
import { RandomStream } from '../random-stream';
import { logistic, nearlyNormal, shuffle, uniform } from './arithmetic';
import { demoConstants as constants, type WordLevels } from './constants';

/** A point of one of the two planes of the world. */
export type Point = readonly [number, number];

export interface DemoUser {
  readonly id: string;
  /** What the user thinks of bright moods and of far-away themes: what titles can tell. */
  readonly taste: Point;
  /** The hidden taste, one of the eight circles: what only co-occurrence can tell. */
  readonly circle: Point;
  readonly bias: number;
  /** First day with rows: 0, or the first day of valid or of test for a cold user. */
  readonly joins: number;
}

export interface DemoItem {
  readonly id: string;
  /** "The", a mood and a theme; every title is another one. */
  readonly title: string;
  /** The values of its mood and its theme. */
  readonly meaning: Point;
  /** The circle it belongs to, independent of the title. */
  readonly circle: Point;
  readonly bias: number;
  /** Chances of being shown are in proportion to it: a whole number. */
  readonly popularity: number;
  /** First day on offer: 0, or the first day of valid or of test for a cold item. */
  readonly released: number;
}

/** One shown item, liked or not. `user` and `item` are indices into the world. */
export interface DemoEvent {
  readonly user: number;
  readonly item: number;
  /** Seconds since 1970, UTC. */
  readonly timestamp: number;
  readonly label: 0 | 1;
}

export interface DemoWorld {
  readonly users: readonly DemoUser[];
  readonly items: readonly DemoItem[];
  /** By user, each user's in the order of time. */
  readonly events: readonly DemoEvent[];
}

/** The parts of a pair's logit; the chance of a like is the logistic function of their sum and the intercept. */
export interface DemoLogit {
  /** What the title tells about this user. */
  readonly title: number;
  /** What the hidden circles tell. */
  readonly circle: number;
  /** User bias + item bias. */
  readonly bias: number;
}

/** Purposes of random streams: each part of the world has its own, so that one can be read without the others. */
const streams = { titles: 1, circles: 2, itemBias: 3, popularity: 4, users: 5, userBias: 6, events: 7, labels: 8 };

const stream = (purpose: number, index = 0) => new RandomStream(constants.seed, purpose, index);
const dot = (a: Point, b: Point) => a[0] * b[0] + a[1] * b[1];
const flatten = (levels: WordLevels) => levels.flatMap(([value, words]) => words.map((word) => ({ word, value })));

/** Day 0 for the first `warm` of `count`, then one half the first day of valid, one half the first day of test. */
function firstDay(index: number, warm: number, count: number): number {
  if (index < warm) return 0;
  return index - warm < (count - warm) / 2 ? constants.validDay : constants.testDay;
}

function makeItems(): DemoItem[] {
  const count = constants.warmItems + constants.coldItems;
  const pairs = flatten(constants.moods).flatMap((mood) => flatten(constants.themes).map((theme) => ({ mood, theme })));
  shuffle(pairs, stream(streams.titles));
  // As many items in each circle as can be, in random order.
  const circles = shuffle(
    Array.from({ length: count }, (_, index) => constants.circles[index % constants.circles.length] as Point),
    stream(streams.circles),
  );
  const ranks = shuffle([...Array(count).keys()], stream(streams.popularity));
  const biases = stream(streams.itemBias);
  return Array.from({ length: count }, (_, index) => {
    const { mood, theme } = pairs[index] as (typeof pairs)[number];
    return {
      id: String(index + 1),
      title: `The ${mood.word} ${theme.word}`,
      meaning: [mood.value, theme.value],
      circle: circles[index] as Point,
      bias: constants.itemBiasDeviation * nearlyNormal(biases),
      popularity: Math.floor(50_000 / ((ranks[index] as number) + constants.popularityOffset)),
      released: firstDay(index, constants.warmItems, count),
    };
  });
}

function makeUsers(): DemoUser[] {
  const count = constants.warmUsers + constants.coldUsers;
  const random = stream(streams.users);
  const biases = stream(streams.userBias);
  const level = () => constants.tasteLevels[random.below(constants.tasteLevels.length)] as number;
  return Array.from({ length: count }, (_, index) => ({
    id: String(index + 1),
    taste: [level(), level()],
    circle: constants.circles[random.below(constants.circles.length)] as Point,
    bias: constants.userBiasDeviation * nearlyNormal(biases),
    joins: firstDay(index, constants.warmUsers, count),
  }));
}

/** How many rows a user has. */
function rowsOf(user: DemoUser, random: RandomStream): number {
  if (user.joins > 0) return constants.coldRowsAtLeast + random.below(constants.coldRowsSpread + 1);
  const rows = constants.rowsAtLeast + random.below(constants.rowsSpread + 1);
  return random.below(constants.eagerOneIn) === 0 ? rows + random.below(constants.rowsEager + 1) : rows;
}

/** The parts of the logit of a pair. */
export function demoLogit(user: DemoUser, item: DemoItem): DemoLogit {
  return {
    title: constants.titleWeight * dot(user.taste, item.meaning),
    circle: constants.circleWeight * dot(user.circle, item.circle),
    bias: user.bias + item.bias,
  };
}

function makeEvents(users: readonly DemoUser[], items: readonly DemoItem[]): DemoEvent[] {
  // One ticket per unit of popularity: a drawn ticket names its owner.
  const owner = items.flatMap((item, index) => Array<number>(item.popularity).fill(index));
  const events: DemoEvent[] = [];
  for (const [userIndex, user] of users.entries()) {
    const random = stream(streams.events, userIndex);
    const labels = stream(streams.labels, userIndex);
    const first = constants.start + user.joins * constants.day;
    const span = (constants.endDay - user.joins) * constants.day;
    const times = Array.from({ length: rowsOf(user, random) }, () => first + random.below(span)).sort((a, b) => a - b);
    const shown = new Set<number>();
    for (const timestamp of times) {
      let itemIndex: number;
      // What is not yet released or was shown before is drawn again: nobody sees an item twice.
      do {
        itemIndex = owner[random.below(owner.length)] as number;
      } while (shown.has(itemIndex) || timestamp < releaseTime(items[itemIndex] as DemoItem));
      shown.add(itemIndex);
      const { title, circle, bias } = demoLogit(user, items[itemIndex] as DemoItem);
      const chance = logistic(constants.intercept + title + circle + bias);
      events.push({ user: userIndex, item: itemIndex, timestamp, label: uniform(labels) < chance ? 1 : 0 });
    }
  }
  return events;
}

function releaseTime(item: DemoItem): number {
  return constants.start + item.released * constants.day;
}

/** Generates the world: the same numbers in every run and on every machine. Takes a fraction of a second. */
export function generateDemoWorld(): DemoWorld {
  const items = makeItems();
  const users = makeUsers();
  return { users, items, events: makeEvents(users, items) };
}
