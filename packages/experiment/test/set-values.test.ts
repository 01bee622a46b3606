/** Values of `--set`: the text after `=` as it stands, read as what the key wants. */
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { loadConfig, readDataOptions } from '../src/config';

describe('values of --set', () => {
  /** Signs that mean something in YAML, in paths as users have them. */
  const texts = [
    '/data/run #3',
    'C: data',
    '/data/a: b',
    '[old] data',
    '[old]',
    '{a}',
    '{a: 1}',
    '&b',
    '*b',
    '!b',
    "'b'",
    '"b"',
    '~',
    '~/data',
    '- b',
    '? b',
    '| b',
    '> b',
    '% b',
    '@b',
    '`b`',
    'b ',
    ' b',
    'b:',
    '#b',
    'a=b',
    '1',
    '007',
    '1e3',
    '0x10',
    '1_000',
    '2024-01-01',
    'true',
    'no',
    'Null',
    '---',
    'a\nb',
    'ä',
  ];
  it.each(texts)('stay what they are where text is wanted: %j', async (text) => {
    const cwd = await folderWith({ 'c.yaml': 'method: mean\n' });
    const keys = ['data.path', 'llm.path', 'prompt.noun', 'data.csv.items', 'prompt.template'];
    const set = [...keys.map((key) => `${key}=${text}`), ...(text.length === 1 ? [`data.csv.separator=${text}`] : [])];
    const config = await loadConfig('c.yaml', { cwd, set });
    const { data, llm, prompt } = config;
    expect([data.path, llm.path, prompt.noun, data.csv.items, prompt.template]).toEqual(keys.map(() => text));
    if (text.length === 1) expect(data.csv.separator).toBe(text);
    const options = readDataOptions('csv', [`data.csv.items=${text}`]);
    expect(options.csv?.items).toBe(text);
  });

  it.each<[string, string, unknown]>([
    ['data.path', 'null', null],
    ['prompt.noun', 'null', 'null'],
    ['data.threshold', '+3.5', 3.5],
    ['data.threshold', ' .5\r', 0.5],
    ['data.threshold', '~', null],
    ['seed', '0x10', 16],
    ['cf.learningRate', '1e-3', 0.001],
    ['data.csv.implicit', 'True', true],
    ['training.checkpointing', 'false', false],
    ['data.split.validFrom', '978300760', 978300760],
    ['data.split.validFrom', '2001-01-01', '2001-01-01'],
    ['data.csv.separator', '\\t', '\t'],
    ['data.csv.separator', '"\\t"', '\t'],
    ['data.csv.separator', '\t', '\t'],
    ['data.csv.separator', ' ', ' '],
    ['data.csv.separator', '#', '#'],
    ['data.csv.separator', "'|'", '|'],
    ['data.csv.separator', '\\', '\\'],
    ['cf.betas', '[.8, 0.99]', [0.8, 0.99]],
    ['cf.betas', '- 0.8\n- 0.99', [0.8, 0.99]],
    ['evaluation.splits', '[test]', ['test']],
    ['lora.targets', ' [q_proj, "v_proj"] ', ['q_proj', 'v_proj']],
    ['lora.targets', '[qv]_proj', '[qv]_proj'],
    ['lora.targets', 'all-linear', 'all-linear'],
    ['cf.run', '[runs/a b, "runs/#2"]', ['runs/a b', 'runs/#2']],
    ['cf.run', '[old] runs/a #2', '[old] runs/a #2'],
    ['cf.run', './[old]', './[old]'],
    ['cf.run', '7', '7'],
    ['data.csv.user', '1', 1],
    ['data.csv.user', '007', '007'],
    ['data.csv.user', '1e3', '1e3'],
    ['data.csv.user', 'user #', 'user #'],
    ['data.csv', '{user: "a #b", title: a#b}', { user: 'a #b', title: 'a#b' }],
  ])('are what the key wants: %s=%j', async (key, text, expected) => {
    const cwd = await folderWith({ 'c.yaml': 'method: mean\n' });
    const config = await loadConfig('c.yaml', { cwd, set: [`${key}=${text}`] });
    const value = key.split('.').reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], config);
    if (typeof expected === 'object' && expected !== null) expect(value).toMatchObject(expected);
    else expect(value).toBe(expected);
  });
});
