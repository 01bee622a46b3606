/** The report as a document: one file that loads nothing, whole, with everything in its place and titles as text. */
import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Session } from '@crossgate/experiment';
import { listAdapters } from '@crossgate/gpu/node';
import { parseHTML } from 'linkedom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReportOptions, reportPage } from '../src';
import { makeRuns, makeWorld, oddTitle, openWorld, running } from './runs';

const adapters = await listAdapters();

let cwd: string;
let session: Session;
let places: ReturnType<typeof openWorld>['places'];
beforeAll(async () => {
  // Kept for all tests of this file.
  cwd = await makeWorld();
  ({ session, places } = openWorld(cwd));
  await makeRuns(session, 'mean', 'running');
  if (adapters.length > 0) await makeRuns(session, 'mf', 'ccf', 'collm');
});
afterAll(async () => {
  await session.close();
  await rm(cwd, { recursive: true, force: true });
});

/** The compiler knows no DOM here. */
interface Element {
  readonly textContent: string;
  readonly localName: string;
  readonly children: { readonly length: number };
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
}

const make = (names: readonly string[], options?: ReportOptions) => reportPage(places(...names), session, options);
const parse = (text: string) => (parseHTML(text) as unknown as { document: Element }).document;
const all = (document: Element, selector: string) => [...document.querySelectorAll(selector)];

/** What holds for every page. */
function expectWhole(text: string): Element {
  const document = parse(text);
  // Loads nothing, and may not.
  expect(all(document, '[src], [style], link, iframe, object, base, form, [onclick]')).toEqual([]);
  expect(all(document, '[href]').every((link) => link.getAttribute('href')!.startsWith('#'))).toBe(true);
  const policy = document.querySelector('meta[http-equiv=Content-Security-Policy]')!.getAttribute('content')!;
  expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; base-uri 'none'/);
  for (const name of ['script', 'style']) {
    const [tag, ...others] = [...text.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, 'g'))];
    expect(others).toEqual([]);
    expect(policy).toContain(`'sha256-${createHash('sha256').update(tag![1]!).digest('base64')}'`);
  }
  // What is referred to is there, once.
  const ids = all(document, '[id]').map((element) => element.getAttribute('id')!);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [selector, name] of [
    ['[aria-labelledby]', 'aria-labelledby'],
    ['label[for]', 'for'],
  ] as const) {
    for (const element of all(document, selector)) expect(ids).toContain(element.getAttribute(name));
  }
  for (const link of all(document, '[href]')) expect(ids).toContain(link.getAttribute('href')!.slice(1));
  // Headings go down one level at a time.
  const levels = all(document, 'h1, h2, h3').map(({ localName }) => Number(localName[1]));
  expect(levels.filter((level) => level === 1)).toHaveLength(1);
  for (const [i, level] of levels.entries()) expect(level).toBeLessThanOrEqual((levels[i - 1] ?? 0) + 1);
  // Tables have captions and headers, pictures a title, and what scrolls can be reached by keyboard and has a name.
  for (const table of all(document, 'table')) {
    expect(table.querySelector('caption')?.textContent).toMatch(/\w/);
    const columns = all(table, 'thead th[scope=col]').length;
    for (const row of all(table, 'tbody tr')) {
      expect(row.children.length).toBe(columns);
      expect(row.querySelector('th[scope=row]')).not.toBeNull();
    }
  }
  for (const svg of all(document, 'figure > div > svg')) {
    expect([svg.getAttribute('role'), svg.querySelector('title')?.textContent]).toEqual([
      'img',
      expect.stringMatching(/\w/),
    ]);
  }
  for (const box of all(document, '.scroll, pre')) {
    expect([box.getAttribute('tabindex'), box.getAttribute('aria-label')]).toEqual(['0', expect.stringMatching(/\w/)]);
  }
  // Landmarks are the parts of the page alone, each with a heading of its own.
  expect(all(document, '[role=region], [role=main], aside')).toEqual([]);
  const landmarks = all(document, 'section[aria-labelledby]').map((each) => each.getAttribute('id'));
  expect(landmarks).toEqual(all(document, 'main > section').map((each) => each.getAttribute('id')));
  // A group within a picture has no label, since it has no role.
  expect(all(document, 'g[aria-label]')).toEqual([]);
  expect(document.querySelector('html')!.getAttribute('lang')).toBe('en');
  expect(text.replace(/<script>[\s\S]*<\/script>/, '')).not.toMatch(/NaN|Infinity|undefined|\[object/);
  // Wherever it is, the title is text.
  expect(all(document, 'img')).toEqual([]);
  return document;
}

describe('a report of runs without a language model', () => {
  it('has their metrics, tests, curves of scores, a case and their configs', async () => {
    const page = await make(['mean', running], { version: '1.2.3' });
    const document = expectWhole(page.html);
    expect(page.parts).toEqual(['metrics', 'tests', 'roc', 'calibration', 'curves', 'case', 'config']);
    expect(all(document, 'main > section').map((each) => each.getAttribute('id'))).toEqual(page.parts);
    expect(document.querySelector('h1')!.textContent).toBe('Report: mean, <i>running</i>');
    const metrics = all(document, '#metrics tbody tr').map((row) => row.querySelector('th')!.textContent);
    expect(metrics).toEqual(expect.arrayContaining(['mean', 'mean, warm', '<i>running</i>', '<i>running</i>, warm']));
    expect(all(document, '#tests tbody tr').map((row) => row.querySelector('th')!.textContent)).toEqual([
      'mean − <i>running</i>',
    ]);
    expect(document.querySelector('#config pre')!.textContent).toContain('method: mean');
    expect(document.querySelector('footer')!.textContent).toContain('crossgate 1.2.3');
    const reasons = page.missing.map(({ part, reason }) => `${part}: ${reason}`);
    expect(reasons).toEqual([
      'curves: not trained step by step',
      'items: no run has a language model',
      'gate: no run has a language model',
      'stages: no run has a language model',
    ]);
    expect(document.querySelector('#curves .missing')!.textContent).toContain('mean, <i>running</i>: not trained');
  });

  it('is the same again', async () => {
    expect((await make(['mean', running])).html).toBe((await make(['mean', running])).html);
  });

  it('shows one user, with the scores and ranks of each run', async () => {
    const { html } = await make(['mean', running], { user: '5', split: 'valid' });
    const document = parse(html);
    expect(document.querySelector('#case p')!.textContent).toMatch(/^User 5 of ml-1m, with \d+ rows on split valid/);
    const head = all(document, '#case thead th').map(({ textContent }) => textContent);
    expect(head).toEqual(['item', 'liked', 'score by mean', 'rank', 'score by <i>running</i>', 'rank']);
    const ranks = all(document, '#case tbody tr').map((row) => Number(all(row, 'td')[2]!.textContent));
    expect(ranks).toEqual(ranks.map((_, i) => i + 1));
    await expect(make(['mean'], { user: 'nobody' })).rejects.toThrow('nobody has no scored row on split test of mean');
  });

  it('says why runs are not tested, and what is not there', async () => {
    const config = join(cwd, 'mean/config.yaml');
    const text = await import('node:fs/promises').then(({ readFile }) => readFile(config, 'utf8'));
    await writeFile(config, text.replace('path: ml-1m', 'path: gone'));
    // The run has its own copy of the data.
    expect((await make(['mean'])).parts).toContain('case');
    await rm(join(cwd, 'mean/data.gz'));
    const page = await make(['mean']).finally(() => writeFile(config, text));
    const { reason } = page.missing.find(({ part }) => part === 'case')!;
    expect(reason).toContain('gone');
    expect(parse(page.html).querySelector('#case .missing')!.textContent).toContain('gone');
    await expect(make(['mean', 'mean'])).rejects.toThrow('is given twice');
    await expect(make(['nothing'])).rejects.toMatchObject({ code: 'run.not-found' });
    await expect(make(['mean'], { split: 'train' })).rejects.toMatchObject({ code: 'run.no-predictions' });
  });

  it('names the line of a log that is damaged', async () => {
    const log = join(cwd, running, 'metrics.jsonl');
    await writeFile(log, '{"phase":"cf","step":1}\n{"phase":\n');
    await expect(make([running])).rejects.toThrow(/metrics\.jsonl:2: is not a record of a run/);
    await writeFile(log, '');
  });
});

describe.skipIf(adapters.length === 0)('a report with a language model', { timeout: 240_000 }, () => {
  it('has the map, the gate and the stages too', async () => {
    const page = await make(['ccf', 'collm', 'mf'], { items: 8 });
    const document = expectWhole(page.html);
    expect(page.parts).toEqual([
      ...['metrics', 'tests', 'roc', 'calibration', 'curves', 'items', 'gate', 'stages', 'case', 'config'],
    ]);
    expect(all(document, '#items h3').map(({ textContent }) => textContent)).toEqual(['ccf', 'collm']);
    const points = (selector: string) =>
      all(document, `${selector} circle`).length / all(document, `${selector} input[type=checkbox]`).length;
    expect([points('#items-1'), points('#items-2')]).toEqual([8, 8]);
    const kinds = (selector: string) =>
      all(document, `${selector} input[type=checkbox]`).map((box) => box.getAttribute('value'));
    expect(kinds('#items-1')).toEqual(['aligned CF vectors', 'titles', 'fused titles']);
    expect(kinds('#items-2')).toEqual(['aligned CF vectors', 'titles']);
    for (const i of kinds('#items-1').keys()) expect(all(document, `#items-1 .points-${i} circle`)).toHaveLength(8);
    // CoLLM has no gate; each says so in its place.
    expect(document.querySelector('#gate-2 .missing')!.textContent).toContain('no gate');
    expect(all(document, '#gate-1 tbody tr').length).toBeGreaterThan(0);
    // The second stage of CoLLM has a prompt of its own, so its best state is always of that stage.
    const rows = all(document, '#stages-2 tbody tr').map((row) => row.querySelector('th')!.textContent);
    expect(rows).toEqual(expect.arrayContaining(['all', 'positives', 'negatives']));
    expect(all(document, '#curves tbody th').map(({ textContent }) => textContent)).toEqual([
      ...['stage1', 'stage2', 'stage1', 'stage2', 'cf'].flatMap((phase, i) =>
        i % 2 === 0 && phase === 'stage1' ? ['cf', phase] : [phase],
      ),
    ]);
  });

  it('keeps titles as text on the map', async () => {
    const { html } = await make(['ccf'], { items: 9 });
    const document = expectWhole(html);
    const titles = all(document, '#items circle title').map(({ textContent }) => textContent);
    expect(titles.filter((title) => title === oddTitle)).toHaveLength(3);
  });

  it('leaves them out when it is told to, and says why when the model is not there', async () => {
    const page = await make(['ccf'], { model: false });
    expect(page.parts).not.toContain('items');
    expect(page.missing).toContainEqual({ part: 'items', runs: [], reason: 'left out by option' });
    const gone = await make(['ccf'], { set: ['llm.path=nowhere'] });
    expect(gone.missing.find(({ part }) => part === 'items')!.reason).toContain('nowhere');
    for (const part of ['items', 'gate', 'stages']) {
      expect(gone.missing.filter((each) => each.part === part)).toHaveLength(1);
      expect(parse(gone.html).querySelector(`#${part} .missing`)!.textContent).toContain('nowhere');
    }
  });
});
