/** An invented catalog whose scores follow the history, so that lists change as a reader would expect. */

/** An item of the world. */
export interface WorldItem {
  readonly item: string;
  readonly title: string;
  readonly known: 'trained' | 'added';
}

/** A score with its parts, each from 0 to 1. */
export interface WorldScores {
  readonly score: number;
  readonly cf: number;
  readonly llm: number;
}

/** Titles that a careless page would take for markup, or be torn apart by. */
export const markupTitle = '<img src=x onerror="alert(1)"><b>Bold</b> &amp; Brash (1994)';
export const longTitle = `The ${'Extraordinarily Long and Winding Story of a '.repeat(8)}Lighthouse, ${'A'.repeat(90)} (2001)`;

const first = ['Silent', 'Crimson', 'Paper', 'Winter', 'Electric', 'Distant', 'Golden', 'Hollow', 'Midnight', 'Velvet'];
const second = ['Harbor', 'Garden', 'Engine', 'Letters', 'Orchard', 'Signal', 'Kingdom', 'Mirror', 'River', 'Parade'];

const vectors = 4;
/** Items that everybody knows; those that are added later are in no history. */
const trained = first.length * second.length;

/** Genres; one is markup to a careless page. */
export const genres = ['Drama', '<b>Noir</b>', 'Western'];

/** The genre of an item; those that are added have none. */
export const genreOf = ({ item, known }: WorldItem) => (known === 'added' ? '' : genres[Number(item) % 3]!);

/** A number from 0 to 1 that belongs to a text. */
function hash(text: string): number {
  let value = 2166136261;
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0)!, 16777619);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return ((value ^ (value >>> 13)) >>> 0) / 2 ** 32;
}

const vectorOf = (text: string) => Array.from({ length: vectors }, (_, i) => hash(`${text} ${i}`) - 0.5);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** 100 items, and those that are added. */
export class World {
  readonly items: WorldItem[] = first.flatMap((a, i) =>
    second.map((b, j) => {
      const index = i * second.length + j;
      const odd = index === 3 ? markupTitle : index === 7 ? longTitle : undefined;
      return {
        item: String(100 + index),
        title: odd ?? `${index % 3 === 0 ? 'The ' : ''}${a} ${b} (${1950 + ((index * 37) % 70)})`,
        known: 'trained' as const,
      };
    }),
  );

  find(item: string): WorldItem | undefined {
    return this.items.find((candidate) => candidate.item === item);
  }

  /** Likes and dislikes of users `1` to `40`; the odd titles are among those of user 1. */
  events(user: string): { item: string; title: string; label: 0 | 1; timestamp: number }[] {
    const length = 4 + Math.floor(hash(`length ${user}`) * 20);
    const own = Array.from({ length }, (_, i) => Math.floor(hash(`${user} event ${i}`) * trained));
    const indices = [...new Set(user === '1' ? [3, 7, ...own] : own)];
    return indices.map((index, i) => {
      const { item, title } = this.items[index]!;
      return { item, title, label: hash(`${user} label ${index}`) < 0.25 ? 0 : 1, timestamp: 9.6e8 + i * 86_400 };
    });
  }

  scores(likes: readonly string[], dislikes: readonly string[], item: string): WorldScores {
    const part = (name: string, strength: number) => {
      const own = vectorOf(`${name} ${item}`);
      let sum = 0;
      for (const [ids, sign] of [
        [likes, 1],
        [dislikes, -1],
      ] as const) {
        for (const id of ids) for (const [i, x] of vectorOf(`${name} ${id}`).entries()) sum += sign * x * own[i]!;
      }
      return sigmoid(0.3 + (strength * sum) / Math.sqrt(likes.length + dislikes.length + 1));
    };
    const [cf, llm] = [part('cf', 8), part('llm', 6)];
    return { score: sigmoid(1.6 * (Math.log(cf / (1 - cf)) * 0.5 + Math.log(llm / (1 - llm)) * 0.5)), cf, llm };
  }
}
