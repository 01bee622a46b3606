// Tests of reading apt's sources: both formats, keys, and the choice of the mirror.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  debianSource,
  formatSource,
  parseDeb822Sources,
  parseOneLineSources,
  parseOsRelease,
  readSources,
  upstreamVersion,
} from '../src/apt.mjs';

const key = '/usr/share/keyrings/debian-archive-keyring.gpg';

describe('parseOneLineSources', () => {
  it('reads options, several components and comments', () => {
    const text = [
      '# deb http://old.example/debian bookworm main',
      'deb [arch=amd64 signed-by=/a.gpg,/b.gpg] http://mirror.example/debian bookworm main contrib # ours',
      'deb-src http://mirror.example/debian bookworm main',
      'nonsense',
    ].join('\n');
    expect(parseOneLineSources(text)).toEqual([
      {
        types: ['deb'],
        uris: ['http://mirror.example/debian'],
        suites: ['bookworm'],
        components: ['main', 'contrib'],
        options: { Architectures: 'amd64', 'Signed-By': '/a.gpg /b.gpg' },
      },
      {
        types: ['deb-src'],
        uris: ['http://mirror.example/debian'],
        suites: ['bookworm'],
        components: ['main'],
        options: {},
      },
    ]);
  });
});

describe('parseDeb822Sources', () => {
  it('reads several paragraphs and leaves disabled ones out', () => {
    const text = [
      'Types: deb deb-src',
      '# a comment',
      'URIs: http://mirror.example/debian',
      'suites: bookworm bookworm-updates',
      'Components: main',
      `Signed-By: ${key}`,
      '',
      'Enabled: no',
      'Types: deb',
      'URIs: http://off.example/debian',
      'Suites: bookworm',
      'Components: main',
    ].join('\n');
    expect(parseDeb822Sources(text)).toEqual([
      {
        types: ['deb', 'deb-src'],
        uris: ['http://mirror.example/debian'],
        suites: ['bookworm', 'bookworm-updates'],
        components: ['main'],
        options: { 'Signed-By': key },
      },
    ]);
  });

  it('keeps a key that is written out, line for line', () => {
    const field =
      'Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBFit\n -----END PGP PUBLIC KEY BLOCK-----';
    const text = `Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n${field}\n`;
    const [source] = parseDeb822Sources(text);
    expect(formatSource(source!, 'testing')).toContain(field.replace('Signed-By:', 'Signed-By: '));
  });
});

describe('debianSource', () => {
  const source = (suites: string[], uri: string, components = ['main'], types = ['deb']) => ({
    types,
    uris: [uri],
    suites,
    components,
    options: {},
  });

  it('takes the release itself, not other projects, security or sources', () => {
    const sources = [
      source(['nodistro'], 'http://other.example'),
      source(['tools-bookworm'], 'http://tools.example'),
      source(['bookworm-security'], 'http://security.example'),
      source(['bookworm'], 'http://source.example', ['main'], ['deb-src']),
      source(['bookworm'], 'http://extra.example', ['contrib']),
      source(['bookworm', 'bookworm-updates'], 'http://right.example'),
    ];
    expect(debianSource(sources, 'bookworm')?.uris).toEqual(['http://right.example']);
  });

  it('knows the moving names, and finds nothing where nothing is', () => {
    expect(debianSource([source(['sid'], 'http://sid.example')], '')?.uris).toEqual(['http://sid.example']);
    expect(debianSource([source(['noble'], 'http://other.example')], 'bookworm')).toBeUndefined();
  });
});

describe('formatSource', () => {
  it('names the other suite and keeps the key but not the architecture', () => {
    const source = parseOneLineSources(`deb [arch=amd64 signed-by=${key}] http://m.example/debian bookworm main`)[0]!;
    expect(formatSource(source, 'testing')).toBe(
      `Types: deb\nURIs: http://m.example/debian\nSuites: testing\nComponents: main\nSigned-By: ${key}\n`,
    );
  });
});

describe('readSources', () => {
  it('reads sources.list and both kinds of parts, and is empty without apt', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'crossgate-apt-'));
    try {
      expect(await readSources(join(folder, 'none'))).toEqual([]);
      await mkdir(join(folder, 'sources.list.d'));
      await writeFile(join(folder, 'sources.list'), 'deb http://one.example a main\n');
      await writeFile(join(folder, 'sources.list.d', 'b.list'), 'deb http://two.example b main\n');
      await writeFile(
        join(folder, 'sources.list.d', 'a.sources'),
        'Types: deb\nURIs: http://three.example\nSuites: c\n',
      );
      await writeFile(join(folder, 'sources.list.d', 'old.list.save'), 'deb http://four.example d main\n');
      const uris = (await readSources(folder)).flatMap((source) => source.uris);
      expect(uris).toEqual(['http://one.example', 'http://three.example', 'http://two.example']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

it('reads os-release and Debian versions', () => {
  expect(parseOsRelease('PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_CODENAME=bookworm\n')).toEqual({
    PRETTY_NAME: 'Debian GNU/Linux 12',
    VERSION_CODENAME: 'bookworm',
  });
  expect(upstreamVersion('26.1.6-1')).toBe('26.1.6');
  expect(upstreamVersion('1:26.2.0~rc1-1+b2')).toBe('26.2.0');
});
