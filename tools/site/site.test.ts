/** The site: every Markdown file is one page, every link of a page leads to a page and a heading, or names a path. */
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorOf, anchorsOf, siteLinks } from './links.mjs';
import { findEntries, findPages, home, pageOf, root, sidebars } from './pages.mjs';
import { readPages } from './stage.mjs';

describe('pages', () => {
  it('have a place each', () => {
    expect(pageOf('README.md')).toBe('start.md');
    expect(pageOf('CHANGELOG.md')).toBe('changelog.md');
    expect(pageOf('docs/guide.md')).toBe('guide.md');
    expect(pageOf('docs/results/ml-1m-cf/README.md')).toBe('results/ml-1m-cf/index.md');
    expect(pageOf('packages/cf/README.md')).toBe('packages/cf/index.md');
    expect(pageOf(home)).toBe('index.md');
    const places = [...findPages().values()];
    expect(places.length).toBeGreaterThan(70);
    expect(new Set(places).size).toBe(places.length);
  });

  it('are those of the sidebars, which leave none out', () => {
    const links = Object.values(sidebars()).flatMap((groups) =>
      groups.flatMap(({ items }) => items.map(({ link }) => link)),
    );
    const addressOf = (page: string) => `/${page.replace(/(^|\/)index\.md$|\.md$/, '$1')}`;
    const addresses = [...findPages().values()].map(addressOf);
    const api = findEntries().map(({ name }) => `/api/${name}`);
    expect(links.filter((link) => ![...addresses, ...api, '/api/'].includes(link))).toEqual([]);
    expect(addresses.filter((address) => address !== '/' && !links.includes(address))).toEqual([]);
  });

  it('are staged with links to pages, pictures and headings that exist', async () => {
    const { pages, images } = await readPages();
    const anchors = new Map([...pages].map(([page, text]) => [page, anchorsOf(text)]));
    const problems: string[] = [];
    for (const [page, text] of pages) {
      const prose = text.replace(/^```[\s\S]*?^```|`(?:[^`\n]|\n(?!\n))*`/gm, '');
      for (const [, mark, target = ''] of prose.matchAll(/(!?)\[[^\]]*\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [file = '', anchor] = target.split('#');
        const path = file === '' ? page : posix.join(posix.dirname(page), file);
        if (mark) {
          if (!images.has(path.replace(/^files\//, ''))) problems.push(`${page}: no picture ${target}`);
        } else if (!pages.has(path)) problems.push(`${page}: no page ${target}`);
        else if (anchor !== undefined && !anchors.get(path)?.includes(anchor))
          problems.push(`${page}: no heading ${target}`);
      }
    }
    expect(problems).toEqual([]);
    expect([...images].filter((image) => !existsSync(join(root, image)))).toEqual([]);
  });
});

describe('links', () => {
  const pages = new Map([
    ['docs/setup.md', 'setup.md'],
    ['docs/results/README.md', 'results/index.md'],
    ['packages/cf/README.md', 'packages/cf/index.md'],
  ]);
  const staged = (text: string, repository?: string) =>
    siteLinks(text, 'packages/cf/README.md', { root, pages, ...(repository ? { repository } : {}) });

  it('lead to pages from where the page stands', () => {
    const text =
      '[a](../../docs/setup.md#one) [b `c`](../../docs/results/README.md) [d](../../docs/results) [e](#f) [g](https://h)';
    expect(staged(text).text).toBe(
      '[a](../../setup.md#one) [b `c`](../../results/index.md) [d](../../results/index.md) [e](#f) [g](https://h)',
    );
  });

  it('name the path of a source where nobody has said where the repository is', () => {
    const text = '[the code](src/index.ts), [src/index.ts](src/index.ts), [the folder](src/)';
    expect(staged(text).text).toBe(
      'the code (`packages/cf/src/index.ts`), `packages/cf/src/index.ts`, the folder (`packages/cf/src`)',
    );
    expect(staged(text, 'https://host/us/it/{kind}/abc').text).toBe(
      '[the code](https://host/us/it/blob/abc/packages/cf/src/index.ts), ' +
        '[src/index.ts](https://host/us/it/blob/abc/packages/cf/src/index.ts), ' +
        '[the folder](https://host/us/it/tree/abc/packages/cf/src)',
    );
  });

  it('take pictures along, leave code alone, and refuse what does not exist', () => {
    const { text, images } = staged(
      '![a picture](../../docs/overview.svg)\n```md\n[x](y)\n```\n`z[0](w)` `a` [b](#c) `d`\n',
    );
    expect(text).toBe('![a picture](../../files/docs/overview.svg)\n```md\n[x](y)\n```\n`z[0](w)` `a` [b](#c) `d`\n');
    expect(images).toEqual(['docs/overview.svg']);
    expect(() => staged('[x](nowhere.md)')).toThrow('packages/cf/README.md: there is no nowhere.md');
    expect(() => staged('![x](nowhere.svg)')).toThrow('packages/cf/README.md: there is no picture nowhere.svg');
  });
});

it('makes anchors as GitHub does', () => {
  expect(anchorOf('CSV, ZIP and pictures, measured')).toBe('csv-zip-and-pictures-measured');
  expect(anchorOf('6. Dependencies & their “versions”')).toBe('6-dependencies--their-versions');
  expect(anchorsOf('# A `b_c`\n## A b_c\n```sh\n# no heading\n```\n## [d](e.md)\n')).toEqual(['a-b_c', 'a-b_c-1', 'd']);
});
