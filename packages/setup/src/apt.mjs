// Reads the machine's apt sources, so that packages come from the mirror this machine already trusts.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * One source of packages. `options` are the remaining deb822 fields (Signed-By, Trusted, Check-Valid-Until, …).
 * @typedef {{ types: string[], uris: string[], suites: string[], components: string[],
 *   options: Record<string, string> }} Source
 */

/** Names of one-line options and of the deb822 fields that mean the same. */
const oneLineOptions = /** @type {Record<string, string>} */ ({
  arch: 'Architectures',
  'signed-by': 'Signed-By',
  trusted: 'Trusted',
  'check-valid-until': 'Check-Valid-Until',
  'allow-insecure': 'Allow-Insecure',
});

/** Parses a `sources.list` (one source a line). Unknown lines are skipped. @returns {Source[]} */
export function parseOneLineSources(/** @type {string} */ text) {
  const sources = [];
  for (const raw of text.split('\n')) {
    const line = raw.replace(/#.*/, '').trim();
    const match = /^(deb|deb-src)\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)$/.exec(line);
    if (!match) continue;
    const [, type = '', options = '', uri = '', suite = '', components = ''] = match;
    /** @type {Record<string, string>} */
    const fields = {};
    for (const option of options.split(/\s+/).filter(Boolean)) {
      const [key = '', value = ''] = option.split('=', 2);
      const name = oneLineOptions[key.toLowerCase()];
      if (name) fields[name] = value.replaceAll(',', ' ');
    }
    sources.push({
      types: [type],
      uris: [uri],
      suites: [suite],
      components: components.split(/\s+/).filter(Boolean),
      options: fields,
    });
  }
  return sources;
}

/** Parses a deb822 `.sources` file; paragraphs with `Enabled: no` are left out. @returns {Source[]} */
export function parseDeb822Sources(/** @type {string} */ text) {
  const sources = [];
  for (const paragraph of text.split(/\n\s*\n/)) {
    /** @type {Record<string, string>} */
    const fields = {};
    let key = '';
    for (const line of paragraph.split('\n')) {
      if (line.startsWith('#')) continue;
      const field = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
      if (field) {
        key = canonicalField(field[1] ?? '');
        fields[key] = (field[2] ?? '').trim();
      } else if (key && /^\s+\S/.test(line)) {
        // Continuation lines stay as they are: a Signed-By field may hold a whole key.
        fields[key] += `\n${line.trimEnd()}`;
      }
    }
    const { Types, URIs, Suites, Components, Enabled, ...options } = fields;
    if (!Types || !URIs || !Suites || /^(no|false|0|off)$/i.test(Enabled ?? '')) continue;
    sources.push({
      types: words(Types),
      uris: words(URIs),
      suites: words(Suites),
      components: words(Components ?? ''),
      options,
    });
  }
  return sources;
}

const words = (/** @type {string} */ text) => text.split(/\s+/).filter(Boolean);

function canonicalField(/** @type {string} */ name) {
  const known = ['Types', 'URIs', 'Suites', 'Components', 'Enabled', 'Architectures', 'Signed-By', 'Trusted'];
  return known.find((field) => field.toLowerCase() === name.toLowerCase()) ?? name;
}

/** Reads every source under `folder`, in apt's order. @returns {Promise<Source[]>} empty where apt is not used */
export async function readSources(folder = '/etc/apt') {
  const sources = [];
  const parts = (await readdir(join(folder, 'sources.list.d')).catch(() => [])).sort();
  const paths = [join(folder, 'sources.list'), ...parts.map((name) => join(folder, 'sources.list.d', name))];
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (path.endsWith('.sources')) sources.push(...parseDeb822Sources(text));
    else if (path.endsWith('.list')) sources.push(...parseOneLineSources(text));
  }
  return sources;
}

/**
 * The source this machine takes the Debian release itself from: binary packages, component main, suite `codename` or
 * one of Debian's moving names. Undefined when there is none (another distribution, no apt).
 * @param {Source[]} sources
 * @param {string} codename such as 'bookworm'
 * @returns {Source | undefined}
 */
export function debianSource(sources, codename) {
  const suites = new Set([codename, 'stable', 'testing', 'unstable', 'sid']);
  return sources.find(
    (source) =>
      source.types.includes('deb') &&
      source.components.includes('main') &&
      source.suites.some((suite) => suites.has(suite)),
  );
}

/** The same mirror and key as `source`, for another suite, as deb822 text. */
export function formatSource(/** @type {Source} */ source, /** @type {string} */ suite) {
  const options = Object.entries(source.options).filter(([name]) => name !== 'Architectures' && !name.startsWith('X-'));
  const lines = [
    'Types: deb',
    `URIs: ${source.uris.join(' ')}`,
    `Suites: ${suite}`,
    'Components: main',
    ...options.map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** The fields of /etc/os-release. @returns {Record<string, string>} */
export function parseOsRelease(/** @type {string} */ text) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]+)=(.*)$/.exec(line.trim());
    if (match) fields[match[1] ?? ''] = (match[2] ?? '').replace(/^["']|["']$/g, '');
  }
  return fields;
}

/** Reads /etc/os-release; empty when it is missing. */
export async function osRelease(path = '/etc/os-release') {
  return parseOsRelease(await readFile(path, 'utf8').catch(() => ''));
}

/** A Debian version without epoch and revision: '1:26.1.6-1' → '26.1.6'. */
export function upstreamVersion(/** @type {string} */ version) {
  return version.replace(/^\d+:/, '').replace(/[-+~].*$/, '');
}
