// Links of a Markdown file as they are on the site: to pages of the site, and to what is in the repository alone.
import { existsSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

/**
 * The anchor of a heading, as GitHub makes it: links between files then hold in the repository and on the site.
 * @param {string} heading
 */
export function anchorOf(heading) {
  const words = heading.trim().toLowerCase();
  return words.replace(/[^\p{L}\p{N}\p{M}\p{Pc}\- ]/gu, '').replaceAll(' ', '-');
}

/** Anchors of a Markdown file. Headings of one text are numbered from the second on. @param {string} text */
export function anchorsOf(text) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const anchor = anchorOf(heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

/** A code block, or a code span, which may go on in the next line. */
const code = /^```[\s\S]*?^```|`(?:[^`\n]|\n(?!\n))*`/gm;

/**
 * Changes text, and leaves what is code as it is. A link's words may hold a code span, so only blocks, and spans that
 * look like links, are set aside.
 * @param {string} text
 * @param {(prose: string) => string} change
 */
function inProse(text, change) {
  /** @type {string[]} */
  const aside = [];
  const prose = text.replace(code, (part) => {
    if (!part.startsWith('```') && !part.includes('](')) return part;
    aside.push(part);
    return `\0${aside.length - 1}\0`;
  });
  return change(prose).replace(/\0(\d+)\0/g, (_, index) => aside[Number(index)] ?? '');
}

/**
 * @typedef {object} Place
 * @property {string} root the checkout
 * @property {ReadonlyMap<string, string>} pages source to page
 * @property {string} [repository] address of files of the repository at this version, without the path
 */

/**
 * A Markdown file with the links of its page. A link to a file that is no page leads into the repository; where nobody
 * has said where that is, the path is named in its place.
 * @param {string} text
 * @param {string} source its path from the root
 * @param {Place} place
 * @returns {{ text: string, images: string[] }} `images`: files from the root that the page shows
 * @throws {Error} for a link to nothing
 */
export function siteLinks(text, source, { root, pages, repository }) {
  /** @type {Set<string>} */
  const images = new Set();
  const from = posix.dirname(pages.get(source) ?? '');
  const relativeTo = (/** @type {string} */ path) => {
    const relative = posix.relative(from, path);
    return relative.startsWith('.') ? relative : `./${relative}`;
  };
  const image = (/** @type {string} */ target) => {
    const path = posix.join(posix.dirname(source), target);
    if (!existsSync(join(root, path))) throw new Error(`${source}: there is no picture ${target}`);
    images.add(path);
    return relativeTo(posix.join('files', path));
  };
  const isAddress = (/** @type {string} */ target) => /^([a-z]+:|#)/.test(target);
  const changed = inProse(text, (prose) =>
    prose
      .replace(/<img src="([^"]+)"/g, (whole, target) => (isAddress(target) ? whole : `<img src="${image(target)}"`))
      .replace(/(!?)\[((?:[^[\]]|\[[^[\]]*\])*)\]\(([^)\s]+)\)/g, (whole, mark, words, target) => {
        if (isAddress(target)) return whole;
        if (mark) return `![${words}](${image(target)})`;
        const [file = '', anchor] = target.split('#');
        const path = posix.join(posix.dirname(source), file).replace(/\/$/, '');
        const page = pages.get(path) ?? pages.get(`${path}/README.md`);
        if (page) return `[${words}](${relativeTo(page)}${anchor === undefined ? '' : `#${anchor}`})`;
        if (!existsSync(join(root, path))) throw new Error(`${source}: there is no ${target}`);
        const kind = statSync(join(root, path)).isDirectory() ? 'tree' : 'blob';
        if (repository) return `[${words}](${repository.replace('{kind}', kind)}/${path})`;
        return path.endsWith(words.replaceAll('`', '')) ? `\`${path}\`` : `${words} (\`${path}\`)`;
      }),
  );
  return { text: changed, images: [...images] };
}
