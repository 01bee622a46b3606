/** The generated world behind the data set `demo`: users, items and events, and the tastes that models cannot see. */
import { RandomStream } from '../random-stream';
import { logistic, nearlyNormal, shuffle, uniform } from './arithmetic';
import { demoConstants as constants, type WordLevels } from './constants';

/** A point of one of the two planes of the world. */
export type Point = readonly [number, number];

/** A user of the generated world. */
export interface DemoUser {
  /** Source id: the number of the user, from 1. */
  readonly id: string;
  /** How much the user likes bright moods and far-away themes. Titles reveal this taste. */
  readonly taste: Point;
  /** The hidden taste, one of the eight circles. Only co-occurrence reveals it. */
  readonly circle: Point;
  /** Added to the logit of all pairs of this user. */
  readonly bias: number;
  /** First day with rows: 0 or, for a cold user, the first day of valid or test. */
  readonly joins: number;
}

/** An item of the generated world. */
export interface DemoItem {
  /** Source id: the number of the item, from 1. */
  readonly id: string;
  /** "The", a mood and a theme, such as "The Golden Harbor". No two items have the same title. */
  readonly title: string;
  /** The first word of the title after "The". */
  readonly mood: string;
  /** The last word of the title. */
  readonly theme: string;
  /** Values of its mood and its theme. */
  readonly meaning: Point;
  /** The circle it belongs to, independent of the title. */
  readonly circle: Point;
  /** Added to the logit of all pairs of this item. */
  readonly bias: number;
  /** A whole number; the chance of being shown is proportional to it. */
  readonly popularity: number;
  /** First day on offer: 0 or, for a cold item, the first day of valid or test. */
  readonly released: number;
}

/** An item that was shown to a user. */
export interface DemoEvent {
  /** Index into the users of the world. */
  readonly user: number;
  /** Index into the items of the world. */
  readonly item: number;
  /** Seconds since 1970, UTC. */
  readonly timestamp: number;
  /** 1 if the user liked the item, else 0. */
  readonly label: 0 | 1;
}

/** The generated world. */
export interface DemoWorld {
  /** All users. */
  readonly users: readonly DemoUser[];
  /** All items. */
  readonly items: readonly DemoItem[];
  /** All events, user after user, and in time order for each user. */
  readonly events: readonly DemoEvent[];
}

/**
 * The parts of the logit of a (user, item) pair. The probability of a like is the logistic function of the sum of these
 * parts and the intercept.
 */
export interface DemoLogit {
  /** The match of the user's taste and the title. */
  readonly title: number;
  /** The match of the user's hidden taste and the item's circle. */
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
      mood: mood.word,
      theme: theme.word,
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

/** The parts of the logit of a (user, item) pair. */
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

/** Generates the world. Its numbers are the same in every run and on every machine. Takes a fraction of a second. */
export function generateDemoWorld(): DemoWorld {
  const items = makeItems();
  const users = makeUsers();
  return { users, items, events: makeEvents(users, items) };
}
