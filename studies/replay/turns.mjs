// Recorded and replayed steps in turns, so that both see the same load of the machine.

/** @typedef {{ wall: number, cpu: number }} Times milliseconds */

/**
 * Milliseconds of `body`, by the wall clock and of this process's processor time, that of a software adapter included.
 *
 * @param {() => Promise<unknown>} body
 * @returns {Promise<Times>}
 */
export async function timed(body) {
  const [start, busy] = [performance.now(), process.cpuUsage()];
  await body();
  const { user, system } = process.cpuUsage(busy);
  return { wall: performance.now() - start, cpu: (user + system) / 1000 };
}

const median = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const least = (/** @type {number[]} */ values) => Math.min(...values);

/**
 * Runs both in turns, and prints a row: median and least milliseconds by the wall clock, and the median of processor time.
 *
 * @param {string} name
 * @param {number} rounds
 * @param {{ recorded: () => Promise<Times>, replayed: () => Promise<Times> }} kinds
 */
export async function turns(name, rounds, { recorded, replayed }) {
  /** @type {Times[][]} */
  const times = [[], []];
  for (let round = 0; round < rounds; round++) {
    times[0]?.push(await recorded());
    times[1]?.push(await replayed());
  }
  const cells = times.flatMap((kind) => {
    const wall = kind.map((each) => each.wall);
    return [median(wall), least(wall), median(kind.map(({ cpu }) => cpu))].map((value) => value.toPrecision(3));
  });
  process.stdout.write(`| ${[name, ...cells].join(' | ')} |\n`);
}

/** Prints the head of the table whose rows {@link turns} prints. */
export function printHead(/** @type {string} */ what) {
  const kinds = ['recorded', 'replayed'].flatMap((kind) => [`${kind}, ms`, 'least', 'processor, ms']);
  process.stdout.write(`| ${[what, ...kinds].join(' | ')} |\n|${'---|'.repeat(7)}\n`);
}
