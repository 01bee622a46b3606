/** A case study: what a user liked, and the items that the runs scored best and worst for them. */
import { decimals, InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { openRunFiles, type Session, type SplitName } from '@crossgate/experiment';
import { type Cell, html, type Markup, section, table } from './html';
import type { Parts } from './parts';
import type { NamedRows, ReportedRun } from './read-run';

/** Rows at either end, and items of the history. */
const ENDS = 5;
const HISTORY = 10;
/** A user with fewer rows makes no case, where there are others. */
const ENOUGH = 5;

/** What the case is of. */
export interface CaseOptions {
  /** Opens the data. */
  readonly session: Session;
  /** `--set` arguments: where the data lie. */
  readonly set: readonly string[];
  /** The split of the report. */
  readonly split: SplitName;
  /** Id of the user in the source; absent: see {@link chooseUser}. */
  readonly user?: string | undefined;
}

/** Runs that scored the same rows of the same data, in groups. */
export function alikeRuns(runs: readonly ReportedRun[]): ReportedRun[][] {
  const groups = new Map<string, ReportedRun[]>();
  for (const run of runs) {
    const key = JSON.stringify([run.result.dataset.hash, run.rows.userId, run.rows.itemId]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

/**
 * The user of a case that nobody asked for: the first with enough rows of both classes and a history; where there is none,
 * the first who lacks least.
 */
export function chooseUser({ userId, label }: NamedRows, hasHistory: (user: string) => boolean): string {
  const counts = new Map<string, [negatives: number, positives: number]>();
  for (const [row, user] of userId.entries()) {
    const count = counts.get(user) ?? [0, 0];
    count[label[row] as 0 | 1]++;
    counts.set(user, count);
  }
  const users = [...counts].map(([user, [negatives, positives]]) => {
    const both = negatives > 0 && positives > 0;
    const enough = both && negatives + positives >= ENOUGH;
    return { user, merit: Number(both) + Number(enough) + Number(enough && hasHistory(user)) };
  });
  return users.reduce((best, each) => (each.merit > best.merit ? each : best)).user;
}

/** One case for each group of runs that scored the same rows. */
export async function caseSection(runs: readonly ReportedRun[], options: CaseOptions, parts: Parts): Promise<Markup> {
  const each: Markup[] = [];
  for (const group of alikeRuns(runs)) {
    const names = group.map(({ name }) => name);
    each.push(await parts.attempt('case', names, () => groupCase(group, options)));
  }
  return section('case', 2, 'Case study', each);
}

async function groupCase(group: readonly ReportedRun[], { session, set, split, user: wanted }: CaseOptions) {
  const [{ shown, rows }] = group as readonly [ReportedRun];
  if (wanted !== undefined && !rows.userId.includes(wanted)) {
    throw new InputError(`${wanted} has no scored row on split ${split} of ${shown}`, {
      ...{ code: 'data.unknown-id', place: '--user', fix: 'name a user of predictions/*.csv' },
    });
  }
  const { dataset } = await openRunFiles(session, shown, set);
  const histories = historiesOf(dataset, split);
  const user = wanted ?? chooseUser(rows, (id) => (histories.get(id)?.length ?? 0) > 0);
  const titles = new Map(dataset.items.map(({ id, title }) => [id, title]));
  const order = [...rows.userId.keys()]
    .filter((row) => rows.userId[row] === user)
    .sort((a, b) => rows.logit[b]! - rows.logit[a]! || a - b);
  const shownRows = order.length <= 2 * ENDS ? order : [...order.slice(0, ENDS), ...order.slice(-ENDS)];
  const ranks = group.map((run) => ranksOf(run.rows, order));
  const cells = shownRows.map((row): Cell[] => [
    titles.get(rows.itemId[row]!) || rows.itemId[row],
    rows.label[row] === 1 ? 'yes' : 'no',
    ...group.flatMap((run, i) => [decimals(run.rows.score[row]), ranks[i]!.get(row)]),
  ]);
  const columns = ['item', 'liked', ...group.flatMap(({ name }) => [`score by ${name}`, 'rank'])];
  const history = [...(histories.get(user) ?? [])];
  const liked = history
    .slice(-HISTORY)
    .map((item) => html`<li>${dataset.items[item]!.title || dataset.items[item]!.id}</li>`);
  const left = order.length - shownRows.length;
  return html`<p>User <strong>${user}</strong> of ${dataset.name}, with ${order.length} rows on split ${split}.</p>
<h3>What the user had liked</h3>
${
  history.length === 0
    ? html`<p>Nothing before the first of these rows.</p>`
    : html`<p class="soft">The last ${liked.length} of ${history.length} before the first of these rows, oldest first.</p><ol>${liked}</ol>`
}
<h3>What the runs thought</h3>
${table(`Rows of user ${user}, best first by ${group[0]!.name}${left > 0 ? `, without the ${left} in the middle` : ''}`, columns, cells, 2)}
<p class="soft">Ranks are among the user’s ${order.length} rows. “Liked” is the label.</p>
`;
}

/** Rank of each row among those of its user, from 1. Equal scores keep the order of the rows. */
function ranksOf({ logit }: NamedRows, rows: readonly number[]): Map<number, number> {
  const order = [...rows].sort((a, b) => logit[b]! - logit[a]! || a - b);
  return new Map(order.map((row, place) => [row, place + 1]));
}

/** The positives of each user before the first of their rows on a split, oldest first. */
function historiesOf(dataset: Dataset, split: SplitName): Map<string, Int32Array> {
  const { user: users, historyLength, rows } = dataset.splits[split];
  const histories = new Map<string, Int32Array>();
  for (let row = 0; row < rows; row++) {
    const id = dataset.users[users[row]!]!;
    const known = histories.get(id);
    if (known === undefined || historyLength[row]! < known.length) histories.set(id, dataset.history(split, row));
  }
  return histories;
}
