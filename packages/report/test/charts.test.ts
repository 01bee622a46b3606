/** Pictures: whole XML whatever names hold, what is drawn of curves and intervals, and when the libraries load. */
import { describe, expect, it, vi } from 'vitest';
import {
  drawRun,
  intervalPanel,
  linePanel,
  mapPanel,
  type Panel,
  palette,
  picture,
  picturePng,
  smooth,
  unitPanel,
} from '../src';

/** Elements by name, after a check that the text is one whole XML element. */
function elementsOf(svg: string): { name: string; attributes: Map<string, string>; depth: number }[] {
  const open: string[] = [];
  const found: ReturnType<typeof elementsOf> = [];
  const tag = /<(\/?)([\w:-]+)((?: [\w:-]+="[^"<&]*(?:&(?:amp|lt|gt|quot|#\d+);[^"<&]*)*")*) ?(\/?)>/y;
  for (let at = 0; at < svg.trimEnd().length; at = tag.lastIndex) {
    const next = svg.indexOf('<', at);
    const text = svg.slice(at, next);
    if (text !== '') expect([open.length > 0, text]).toEqual([true, expect.stringMatching(/^([^&<]|&\w+;)*$/)]);
    tag.lastIndex = next;
    const [, closing, name = '', attributes = '', empty] = tag.exec(svg) ?? expect.fail(svg.slice(next, next + 80));
    if (closing) expect(open.pop()).toBe(name);
    else {
      const pairs = [...attributes.matchAll(/ ([\w:-]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]);
      found.push({ name, attributes: new Map(pairs as [string, string][]), depth: open.length });
      if (!empty) open.push(name);
    }
  }
  expect(open).toEqual([]);
  expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
  return found;
}

const count = (svg: string, name: string) => elementsOf(svg).filter((element) => element.name === name).length;
const curve = (length: number, name = ''): Parameters<typeof linePanel>[1][number] => ({
  name,
  color: palette[0]!,
  points: Array.from({ length }, (_, index) => [index + 1, 1 / (index + 1)]),
});

describe('picture', () => {
  it('loads what it draws with when it first draws', async () => {
    const loaded: string[] = [];
    vi.resetModules();
    for (const name of ['@observablehq/plot', 'linkedom']) {
      vi.doMock(name, async (original) => {
        loaded.push(name);
        return original();
      });
    }
    const report = await import('../src/index');
    const panel = report.linePanel('loss', [curve(3)]);
    expect(loaded).toEqual([]);
    await report.picture('title', 'caption', [panel]);
    expect(loaded.sort()).toEqual(['@observablehq/plot', 'linkedom']);
    vi.doUnmock('@observablehq/plot');
    vi.doUnmock('linkedom');
  });

  it('stacks panels, and is whole XML with any names', async () => {
    const odd = `<b> & "q" 'é' ]]>`;
    const rows = [{ name: odd, value: 0.5, interval: null, color: palette[1]! }];
    const svg = await picture(odd, odd, [linePanel(odd, [curve(3, odd)]), intervalPanel(odd, rows)]);
    const drawings = elementsOf(svg).filter(({ name }) => name === 'svg');
    expect(drawings.map(({ depth }) => depth)).toEqual([0, 1, 1]);
    expect(drawings.map(({ attributes }) => attributes.get('y'))).toEqual([undefined, '24', '244']);
    expect(drawings[0]?.attributes.get('viewBox')).toBe('0 0 720 330');
    // Title, caption, legend, the label of each panel and the name of the row.
    expect(svg.match(/&lt;b&gt; &amp; ["&]/g)).toHaveLength(6);
    expect(await picture(odd, odd, [linePanel(odd, [curve(3, odd)]), intervalPanel(odd, rows)])).toBe(svg);
  });

  it('draws any panel of marks, three thousand dots in less than fifty bytes each', async () => {
    const dots = Array.from({ length: 3000 }, (_, index) => [Math.sin(index), Math.cos(index * 1.7)] as const);
    const scatter: Panel = {
      height: 480,
      options: (Plot: typeof import('@observablehq/plot')) => ({
        axis: null,
        marks: [Plot.dot(dots, { x: '0', y: '1', r: 2, fill: palette[0]! })],
      }),
    };
    const svg = await picture('dots', 'dots', [scatter]);
    expect(count(svg, 'circle')).toBe(3000);
    expect(svg.length).toBeLessThan(3000 * 50);
  });
});

it('a picture is as wide as its widest panel, and labels no group that has no role', async () => {
  const labels = { x: 'x', y: 'y' };
  const square = await picture('t', '', [unitPanel(labels, [], false)]);
  expect(elementsOf(square)[0]?.attributes.get('viewBox')).toBe('0 0 464 444');
  const both = await picture('t', '', [unitPanel(labels, [], false), linePanel('loss', [curve(3)])]);
  expect(elementsOf(both)[0]?.attributes.get('viewBox')).toBe('0 0 720 664');
  expect(elementsOf(both).filter(({ attributes }) => attributes.has('aria-label'))).toEqual([]);
});

it('a map names its groups above it, where they have names', async () => {
  const points = [
    [0, 0],
    [1, 2],
  ] as const;
  const groups = [
    { points, color: 'red', name: 'a & b' },
    { points, color: 'blue', name: 'rings', hollow: true },
  ];
  const svg = await picture('t', '', [mapPanel(groups)]);
  expect(svg).toContain('● a &amp; b');
  expect(svg).toContain('○ rings');
  const plain = await picture('t', '', [mapPanel(groups.map(({ name: _, ...group }) => group))]);
  expect(plain).not.toMatch(/●|○/);
  const height = (text: string) => Number(elementsOf(text)[0]?.attributes.get('viewBox')?.split(' ')[3]);
  expect([height(svg), height(plain)]).toEqual([744, 720]);
});

describe('picturePng', () => {
  /** Width, height, and the share of pixels that are not white, of a square of the picture. */
  async function drawn(caption: string, width?: number) {
    const svg = await picture('t', caption, [linePanel('', [{ name: '', color: 'none', points: [] }])]);
    const png = Buffer.from(await picturePng(svg, width === undefined ? {} : { width }));
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    return { png, size: [png.readUInt32BE(16), png.readUInt32BE(20)] };
  }

  it('draws text with its own font, the same each time, in any width', async () => {
    const [none, some] = [await drawn(''), await drawn('α ∈ R, − ● é')];
    // Without a font, letters would be nothing.
    expect(some.size).toEqual([1440, 2 * (220 + 24)]);
    expect(none.size).toEqual([1440, 2 * 220]);
    expect(some.png.length).toBeGreaterThan(none.png.length + 500);
    expect((await drawn('α ∈ R, − ● é')).png.equals(some.png)).toBe(true);
    expect((await drawn('x', 720)).size).toEqual([720, 244]);
  });

  it('refuses a width that cannot be drawn, and what is no picture', async () => {
    const svg = await picture('t', '', [linePanel('loss', [curve(3)])]);
    for (const width of [0, 1.5, 8193, Number.NaN])
      await expect(picturePng(svg, { width })).rejects.toThrow(RangeError);
    await expect(picturePng('no picture')).rejects.toThrow();
  });
});

describe('linePanel', () => {
  const draw = (...panel: Parameters<typeof linePanel>) => picture('t', 'c', [linePanel(...panel)]);

  it('has a line for each curve, dots where there are few points, and dashes at breaks', async () => {
    const svg = await draw('loss', [curve(40, 'short'), curve(41, 'long')], [10, 20]);
    expect(svg.match(/<path [^>]*d="M/g)).toHaveLength(2);
    expect(count(svg, 'circle')).toBe(40);
    const dashed = svg.match(/<g [^>]*stroke-dasharray[^>]*>(<line[^>]*>)*<\/g>/)?.[0];
    expect(dashed?.match(/<line/g)).toHaveLength(2);
    expect(svg).toContain('● short');
    expect(svg).toContain('● long');
    expect(await draw('loss', [curve(3)])).not.toMatch(/dasharray|●/);
  });

  it('keeps a single point and equal values apart from the edges', async () => {
    const [point] = elementsOf(await draw('loss', [curve(1)])).filter(({ name }) => name === 'circle');
    // The middle between the margins of 28 above and 36 below.
    expect([point?.attributes.get('cx'), point?.attributes.get('cy')]).toEqual(['696', '106']);
    const flat = { name: '', color: palette[0]!, points: [[1, 0.6] as const, [2, 0.6] as const] };
    const axis = (await draw('AUC', [flat])).match(/y-axis tick label".*?<\/g>/)?.[0] ?? '';
    expect([...axis.matchAll(/>([^<]+)<\/text>/g)].map(([, text]) => text)).toEqual([
      '0.590',
      '0.595',
      '0.600',
      '0.605',
      '0.610',
    ]);
  });

  it('counts steps in whole numbers', async () => {
    const axis = (await draw('loss', [curve(3)])).match(/x-axis tick label".*?<\/g>/)?.[0] ?? '';
    expect([...axis.matchAll(/>([^<]+)<\/text>/g)].map(([, text]) => text)).toEqual(['0', '1', '2', '3']);
  });
});

it('intervalPanel has a row for each value, two of one name too, and no line where no interval is known', async () => {
  const row = { name: 'MF', value: 0.62, interval: [0.6, 0.64] as const, color: palette[2]! };
  const svg = await picture('t', 'c', [
    intervalPanel('AUC', [row, { ...row, value: 0.65 }, { ...row, interval: null }]),
  ]);
  expect(svg.match(/>MF</g)).toHaveLength(3);
  expect(svg.match(/>0\.6[25]00</g)).toHaveLength(3);
  const lines = svg.match(/<g [^>]*stroke-width="2"[^>]*>(.*?)<\/g>/)?.[1];
  expect(lines?.match(/<line/g)).toHaveLength(2);
  const dots = elementsOf(svg).filter(({ name }) => name === 'circle');
  expect(dots.map(({ attributes }) => attributes.get('cy'))).toEqual(['39', '61', '83']);
});

it('a run has a panel for what was recorded alone, and smooth keeps the mean', async () => {
  const records = Array.from({ length: 1000 }, (_, step) => ({
    phase: 'stage1',
    step: step + 1,
    loss: (step % 7) / 7,
  }));
  const svg = await drawRun('run', records);
  expect(elementsOf(svg).filter(({ name }) => name === 'svg')).toHaveLength(2);
  expect(svg).toContain('training loss by steps (stage1)');
  const means = smooth(
    records.map(({ step, loss }) => [step, loss]),
    100,
  );
  expect(means).toHaveLength(100);
  expect(means.reduce((sum, [, y]) => sum + y, 0) / 100).toBeCloseTo(
    records.reduce((sum, { loss }) => sum + loss, 0) / 1000,
    12,
  );
});
