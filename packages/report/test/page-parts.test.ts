/** Parts of the page by themselves: escaping, what is computed for pictures and tables, and the script on a map. */
import { readFileSync } from 'node:fs';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { mapPanel, picture, scatterPanel, unitPanel } from '../src';
import { embeddingKinds } from '../src/charts/item-map';
import { alikeRuns, chooseUser } from '../src/page/case-section';
import { alphaByDimension, byPopularity } from '../src/page/gate-section';
import { escapeText, figure, html, table } from '../src/page/html';
import type { NamedRows, ReportedRun } from '../src/page/read-run';
import { movedRows } from '../src/page/stages-section';

const odd = `<b onclick="x">&'</b>`;

describe('html', () => {
  it('takes text as text in content and attributes, and markup as it is', () => {
    const escaped = '&lt;b onclick=&quot;x&quot;&gt;&amp;&#39;&lt;/b&gt;';
    expect(escapeText(odd)).toBe(escaped);
    expect(html`<p title="${odd}">${odd}${html`<i>${odd}</i>`}${[odd, 3]}</p>`.text).toBe(
      `<p title="${escaped}">${escaped}<i>${escaped}</i>${escaped}3</p>`,
    );
  });

  it('makes tables of odd cells, with dashes for what is missing', () => {
    const { text } = table(
      odd,
      ['a', odd],
      [
        [odd, null],
        [1, undefined],
      ],
    );
    expect(text).not.toContain('<b');
    expect(text.match(/>–</g)).toHaveLength(2);
    expect(text).toContain('<th scope="row">1</th>');
  });
});

const drawn = (panel: Parameters<typeof picture>[2][number]) => picture('t', '', [panel]);

describe('panels', () => {
  it('of the unit square have a line for each curve, and dots where asked', async () => {
    const curve = { name: 'a', color: 'red', points: [[0, 0] as const, [0.2, 0.7] as const, [1, 1] as const] };
    const labels = { x: 'x', y: 'y' };
    expect((await drawn(unitPanel(labels, [curve, curve], false))).match(/<path/g)).toHaveLength(3);
    expect((await drawn(unitPanel(labels, [curve], true))).match(/<circle/g)).toHaveLength(3);
    const many = await drawn(
      unitPanel(
        labels,
        Array.from({ length: 9 }, () => curve),
        false,
      ),
    );
    // The diagonal, and the ninth.
    expect(many.match(/stroke-dasharray/g)).toHaveLength(2);
  });

  it('of a map have one scale for both axes, and a title for each point', async () => {
    const points = [[0, 0] as const, [100, 0] as const, [0, 10] as const];
    const svg = await drawn(mapPanel([{ points, titles: [odd, 'b', 'c'], color: 'red' }]));
    const at = [...svg.matchAll(/<circle [^>]*>/g)].map(([tag]) =>
      ['cx', 'cy'].map((name) => Number(new RegExp(`${name}="([^"]+)"`).exec(tag)![1])),
    );
    const [a, b, c] = at as [number[], number[], number[]];
    expect((b[0]! - a[0]!) / (a[1]! - c[1]!)).toBeCloseTo(10, 1);
    expect(svg.match(/<title>/g)).toHaveLength(4);
    expect(svg).not.toContain('<b ');
  });

  it('of points take rings, a line, and a single point', async () => {
    const group = { points: [[1, 2] as const], color: 'red' };
    const svg = await drawn(
      scatterPanel(
        { x: 'x', y: 'y' },
        [group, { ...group, hollow: true }],
        [
          [1, 2],
          [2, 3],
        ],
      ),
    );
    expect(svg).toMatch(/fill="none" stroke="red"|stroke="red" fill="none"/);
    expect(svg).not.toMatch(/NaN/);
  });
});

it('α by dimension: mean and the bounds of eight in ten', () => {
  // Eleven items: α of the first dimension is 0 … 10, of the second −1.
  const alpha = Float32Array.from({ length: 22 }, (_, k) => (k % 2 === 0 ? k / 2 : -1));
  expect(alphaByDimension(alpha, 2)).toEqual([
    { mean: 5, low: 1, high: 9 },
    { mean: -1, low: -1, high: -1 },
  ]);
});

it('groups by popularity: about as many in each, equals together, nothing lost', () => {
  const items = Array.from({ length: 60 }, (_, i) => ({ rows: 1 + ((i * 7) % 60) }));
  expect(byPopularity(items).map((group) => group.length)).toEqual([10, 10, 10, 10, 10, 10]);
  const cold = byPopularity([...Array.from({ length: 50 }, () => ({ rows: 0 })), { rows: 3 }, { rows: 9 }]);
  expect(cold.map((group) => group.map(({ rows }) => rows).filter((rows) => rows > 0))).toEqual([[], [3], [9]]);
  // Items that were never trained on are of another kind.
  const few = byPopularity([0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((rows) => ({ rows })));
  expect(few[0]).toEqual([{ rows: 0 }]);
  expect(few.flat()).toHaveLength(11);
  expect(byPopularity([])).toEqual([]);
});

it('kinds of embeddings: two backends by number, and no fused titles where there are none', () => {
  const backend = { name: 'mf', aligned: new Float32Array(2), alpha: null };
  const base = { hiddenSize: 2, title: new Float32Array(2), fused: new Float32Array(2) };
  const names = (value: Parameters<typeof embeddingKinds>[0]) => embeddingKinds(value).map(({ name }) => name);
  expect(names({ ...base, backends: [backend] })).toEqual(['aligned CF vectors', 'titles', 'fused titles']);
  expect(names({ ...base, fused: null, backends: [backend, { ...backend, name: 'sasrec' }] })).toEqual([
    ...['aligned CF vectors 1 (mf)', 'aligned CF vectors 2 (sasrec)', 'titles'],
  ]);
});

it('scores before and after: means and AUCs of all rows and of parts', () => {
  const [before, after] = [Float64Array.of(1, 2, 3, 4), Float64Array.of(4, 0, 2, 2)];
  const rows = movedRows({ label: Uint8Array.of(1, 0, 1, 0), seen: Uint8Array.of(1, 1, 1, 1), before, after });
  expect(rows).toEqual([
    ['all', 4, '2.5000', '2.0000', '0.2500', '0.8750'],
    ['positives', 2, '2.0000', '3.0000', '–', '–'],
    ['negatives', 2, '3.0000', '1.0000', '–', '–'],
    ['warm', 4, '2.5000', '2.0000', '0.2500', '0.8750'],
  ]);
});

describe('the case', () => {
  const rows = (users: string, labels: string): NamedRows => ({
    userId: [...users],
    itemId: [...users].map((_, i) => `${i}`),
    label: Uint8Array.from(labels, Number),
    user: Int32Array.from(users, () => 1),
    logit: Float64Array.from(users, (_, i) => i),
    score: Float64Array.from(users, (_, i) => i),
  });

  it('is of the first user with enough rows of both classes and a history, else of who lacks least', () => {
    const choose = (users: string, labels: string, known = users) =>
      chooseUser(rows(users, labels), (user) => known.includes(user));
    expect(choose('aaaaabbccccc', '111111001011')).toBe('c');
    expect(choose('aaaaabbbbb', '1110011100', 'b')).toBe('b');
    expect(choose('aaaaabbbbb', '1110011100', '')).toBe('a');
    expect(choose('aabb', '1110')).toBe('b');
    expect(choose('ab', '11')).toBe('a');
  });

  it('puts runs together that scored the same rows of the same data', () => {
    const run = (name: string, hash: string, users: string) =>
      ({ name, rows: rows(users, '0'.repeat(users.length)), result: { dataset: { hash } } }) as unknown as ReportedRun;
    const groups = alikeRuns([run('a', 'x', 'uv'), run('b', 'y', 'uv'), run('c', 'x', 'uv'), run('d', 'x', 'vu')]);
    expect(groups.map((group) => group.map(({ name }) => name))).toEqual([['a', 'c'], ['b'], ['d']]);
  });
});

describe('the script', () => {
  /** The compiler knows no DOM here. */
  interface Node {
    value: string;
    hidden: boolean;
    checked: boolean;
    readonly textContent: string;
    readonly dataset: Record<string, string>;
    readonly classList: { contains(name: string): boolean };
    getAttribute(name: string): string | null;
    querySelector(selector: string): Node;
    querySelectorAll(selector: string): Iterable<Node>;
    dispatchEvent(event: unknown): void;
    click(): void;
  }

  async function page() {
    const titles = ['Alpha <b>', 'Beta', 'Alphabet'];
    const points = [[0, 0] as const, [1, 1] as const, [2, 0] as const];
    const panel = mapPanel(['one', 'two'].map(() => ({ points, titles, color: 'red' })));
    const boxes = ['one', 'two'].map((name) => html`<input type="checkbox" value="${name}" checked>`);
    const { text } = html`<body><div class="map"><div class="controls" hidden><input type="search">${boxes}</div>
<p class="status"></p><ul class="found"></ul>${figure(await drawn(panel), 'c')}</div></body>`;
    const { document, Event } = parseHTML(`<html>${text}</html>`) as unknown as {
      document: Node;
      Event: new (name: string) => unknown;
    };
    const script = readFileSync(new URL('../src/page/page.client.js', import.meta.url), 'utf8');
    new Function('document', script)(document);
    const type = (value: string) => {
      const input = document.querySelector('input[type=search]');
      input.value = value;
      input.dispatchEvent(new Event('input'));
    };
    const having = (name: string) =>
      [...document.querySelectorAll('circle')].flatMap((point, i) => (point.classList.contains(name) ? [i] : []));
    const buttons = () => [...document.querySelectorAll('.found button')];
    return { document, Event, type, having, buttons, status: () => document.querySelector('.status').textContent };
  }

  it('shows the controls, which are of no use without it', async () => {
    expect((await page()).document.querySelector('.controls').hidden).toBe(false);
  });

  it('finds items by a part of the title in each kind, and lists them as text', async () => {
    const { type, having, buttons, status } = await page();
    type(' ALPHA');
    expect(having('found-point')).toEqual([0, 2, 3, 5]);
    expect(buttons().map(({ textContent }) => textContent)).toEqual(['Alpha <b>', 'Alphabet']);
    expect(status()).toBe('2 items found');
    type('nothing');
    expect([having('found-point'), buttons(), status()]).toEqual([[], [], '0 items found']);
    type('');
    expect(status()).toBe('');
  });

  it('chooses an item by its button, and says which', async () => {
    const { type, having, buttons, status } = await page();
    type('bet');
    buttons()[1]!.click();
    expect(having('chosen-point')).toEqual([2, 5]);
    expect(status()).toBe('Alphabet');
    expect(buttons().map((button) => button.getAttribute('aria-pressed'))).toEqual(['false', 'true']);
    buttons()[0]!.click();
    expect(having('chosen-point')).toEqual([1, 4]);
  });

  it('hides a kind', async () => {
    const { document, Event } = await page();
    const box = document.querySelector('input[value=two]');
    box.checked = false;
    box.dispatchEvent(new Event('change'));
    const gone = (index: number) => document.querySelector(`.points-${index}`).classList.contains('gone');
    expect([gone(0), gone(1)]).toEqual([false, true]);
  });
});
