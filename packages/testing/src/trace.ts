/** The rules of Chrome's Trace Event format, as far as our traces use it: bars, values, arrows and names. */

interface Event {
  readonly ph: string;
  readonly name: string;
  readonly pid: number;
  readonly tid?: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly id?: number;
  readonly bp?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** Microseconds in whole nanoseconds, as viewers keep them. */
const nanoseconds = (microseconds: number) => Math.round(1000 * microseconds);
const isTime = (value: unknown) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const trackOf = ({ pid, tid }: Event) => `${pid}/${tid}`;

/**
 * What is wrong with a trace: what a viewer would refuse, leave out or show at the wrong place. Phases that our traces
 * do not use are refused.
 * @param document a parsed `profile.json`
 * @returns a line for each problem; empty when all is well
 */
export function traceProblems(document: { readonly traceEvents: readonly object[] }): string[] {
  const events = document.traceEvents as readonly Event[];
  const of = (...phases: string[]) => events.filter(({ ph }) => phases.includes(ph));
  const strange = events.filter(
    ({ ph, ts, dur }) =>
      !['X', 'C', 's', 'f', 'M'].includes(ph) || (ph !== 'M' && !isTime(ts)) || (ph === 'X' && !isTime(dur)),
  );
  if (strange.length > 0) return strange.map((event) => `phase, ts or dur: ${JSON.stringify(event)}`);
  return [
    ...nameProblems(of('M'), of('X', 'C', 's', 'f'), of('X')),
    ...barProblems(of('X')),
    ...valueProblems(of('C')),
    ...arrowProblems(of('s', 'f'), of('X')),
  ];
}

/** Each process and each track has one name and one place. */
function nameProblems(metadata: readonly Event[], used: readonly Event[], bars: readonly Event[]): string[] {
  const due = [
    ...new Set(used.flatMap(({ pid }) => [`process_name ${pid}`, `process_sort_index ${pid}`])),
    ...new Set(bars.flatMap((bar) => [`thread_name ${trackOf(bar)}`, `thread_sort_index ${trackOf(bar)}`])),
  ];
  const given = metadata.map((event) => `${event.name} ${event.tid === undefined ? event.pid : trackOf(event)}`);
  return [
    ...due.filter((key) => !given.includes(key)).map((key) => `no ${key}`),
    ...given.filter((key, at) => !due.includes(key) || given.indexOf(key) < at).map((key) => `needless ${key}`),
  ];
}

/** The bars of a track are in order, and two of them overlap only where one lies within the other. */
function barProblems(bars: readonly Event[]): string[] {
  const problems: string[] = [];
  const open = new Map<string, { name: string; begin: number; end: number }[]>();
  for (const bar of bars) {
    const [begin, end] = [nanoseconds(bar.ts!), nanoseconds(bar.ts!) + nanoseconds(bar.dur!)];
    const around = open.get(trackOf(bar)) ?? [];
    const before = around.at(-1)?.begin ?? 0;
    if (begin < before) problems.push(`${trackOf(bar)}: ${bar.name} at ${bar.ts} comes after a later bar`);
    while (around.length > 1 && around.at(-1)!.end <= begin) around.pop();
    const outer = around.at(-1);
    if (outer && outer.end > begin && outer.end < end)
      problems.push(`${trackOf(bar)}: ${bar.name} at ${bar.ts} overlaps ${outer.name}`);
    if (outer && outer.end <= begin) around.pop();
    around.push({ name: bar.name, begin, end });
    open.set(trackOf(bar), around);
  }
  return problems;
}

/** Values are in the order of time, and each event gives all of them: a viewer goes on with the last one. */
function valueProblems(values: readonly Event[]): string[] {
  const problems: string[] = [];
  const last = new Map<string, Event>();
  for (const event of values) {
    const key = `${event.pid} ${event.name}`;
    const former = last.get(key) ?? event;
    const keys = ({ args = {} }: Event) => Object.keys(args).sort().join(', ');
    if (event.ts! < former.ts!) problems.push(`${key} at ${event.ts} comes after a later one`);
    if (keys(event) !== keys(former)) problems.push(`${key} at ${event.ts} has ${keys(event)}, not ${keys(former)}`);
    if (!Object.values(event.args ?? {}).every(isTime)) problems.push(`${key} at ${event.ts} is no number from 0`);
    last.set(key, event);
  }
  return problems;
}

/** Each arrow has one begin and one end that is not before it, both where a bar is. */
function arrowProblems(ends: readonly Event[], bars: readonly Event[]): string[] {
  const problems: string[] = [];
  const isInBar = (end: Event) =>
    bars.some((bar) => trackOf(bar) === trackOf(end) && bar.ts! <= end.ts! && end.ts! <= bar.ts! + bar.dur!);
  for (const id of new Set(ends.map((end) => end.id))) {
    const [from, to, ...rest] = ends.filter((end) => end.id === id).sort((a, b) => b.ph.localeCompare(a.ph));
    if (!from || !to || rest.length > 0 || from.ph !== 's' || to.ph !== 'f' || to.bp !== 'e') {
      problems.push(`arrow ${id} needs one s and one f with bp e`);
    } else if (from.ts! > to.ts!) problems.push(`arrow ${id} goes back in time`);
    else if (!isInBar(from) || !isInBar(to)) problems.push(`arrow ${id} has an end in no bar`);
  }
  return problems;
}
