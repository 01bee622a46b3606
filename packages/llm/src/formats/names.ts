/** Tensors under other names than they should have: a prefix before all of them, or one that is missing. */

/** What a file's names have before the wanted ones, and what wanted ones have before the file's. */
export interface Renaming {
  readonly found: string;
  readonly wanted: string;
}

/** Endings of a name at its dots, the longest first: of `a.b.c` itself, `b.c` and `c`. */
function* endingsOf(name: string): Generator<string> {
  for (let at = 0; at >= 0; ) {
    yield name.slice(at);
    const dot = name.indexOf('.', at);
    at = dot < 0 ? -1 : dot + 1;
  }
}

/** The wanted names by each of their endings; null where several have it. */
function byEnding(wanted: Iterable<string>): Map<string, string | null> {
  const endings = new Map<string, string | null>();
  for (const name of wanted)
    for (const ending of endingsOf(name)) endings.set(ending, endings.has(ending) ? null : name);
  return endings;
}

/**
 * How a file's names differ from the wanted ones.
 * @returns the difference that most of the names have; undefined where there is none: a single name that differs is
 * damaged
 */
export function renamingOf(names: Iterable<string>, wanted: ReadonlySet<string>): Renaming | undefined {
  const endings = byEnding(wanted);
  const votes = new Map<string, { readonly renaming: Renaming; count: number }>();
  let total = 0;
  for (const name of names) {
    total++;
    if (wanted.has(name)) continue;
    for (const ending of endingsOf(name)) {
      const match = endings.get(ending);
      if (!match || !ending.includes('.')) continue;
      const [found, other] = [name.slice(0, -ending.length), match.slice(0, -ending.length)];
      const key = `${found} ${other}`;
      const vote = votes.get(key) ?? { renaming: { found, wanted: other }, count: 0 };
      vote.count++;
      votes.set(key, vote);
      break;
    }
  }
  return [...votes.values()].find(({ count }) => 2 * count > total)?.renaming;
}

/** The name that a file's name stands for; itself where it is wanted as it is, or has not the prefix. */
export function renamed(name: string, { found, wanted }: Renaming, all: ReadonlySet<string>): string {
  return all.has(name) || !name.startsWith(found) ? name : wanted + name.slice(found.length);
}

/**
 * A found name that most likely stands for a wanted one: of those that are not wanted, the one with the longest ending
 * in common.
 */
export function nearestName(name: string, found: Iterable<string>): string | undefined {
  const endings = [...endingsOf(name)];
  const rank = (other: string) => {
    const index = endings.findIndex((ending) => other === ending || other.endsWith(`.${ending}`));
    return index < 0 ? endings.length : index;
  };
  const ranked = [...found].map((other) => ({ other, rank: rank(other) })).sort((a, b) => a.rank - b.rank);
  return ranked[0]?.other;
}
