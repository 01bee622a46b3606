/** Values of `--set`: the text after `=` as it stands, read as what the key wants. */
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { loadConfig, readDataOptions } from '../src/config';

it('names a run of another method apart, unless it is named', async () => {
  const cwd = await folderWith({
    'shop.yaml': 'method: mf\ndata: { name: demo }\n',
    'named.yaml': 'method: mf\nname: mine\ndata: { name: demo }\n',
  });
  const nameOf = async (path: string, ...set: string[]) => (await loadConfig(path, { cwd, set })).name;
  expect(await nameOf('shop.yaml')).toBe('shop');
  expect(await nameOf('shop.yaml', 'method=mf')).toBe('shop');
  expect(await nameOf('shop.yaml', 'method=mean')).toBe('shop-mean');
  expect(await nameOf('named.yaml', 'method=mean')).toBe('mine-mean');
  expect(await nameOf('shop.yaml', 'method=mean', 'name=base')).toBe('base');
});

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
    ['data.csv.itemId', '0', '0'],
    ['data.csv.itemId', '01', '01'],
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
    // Entries of lists and mappings are read as what they want, too.
    [
      'data.csv.missing',
      '[N/A, NaN, null, ~, "", -1, 007, yes, true, 1e3]',
      'N/A NaN null ~  -1 007 yes true 1e3'.split(' '),
    ],
    ['cf.run', '[2024, 007]', ['2024', '007']],
    ['cf.run', '[C:\\x, D:\\new]', ['C:\\x', 'D:\\new']],
    [
      'data.csv',
      '{user: 0, item: "1", separator: \\t, header: False}',
      { user: '0', item: '1', separator: '\t', header: false },
    ],
    [
      'data.split',
      '{by: ratio, test: 0.2, seed: 0x10, valid: null}',
      { by: 'ratio', test: 0.2, seed: 16, valid: null },
    ],
    ['data.split', '{"by":"time","validFrom":"1","testFrom":2001-01-01}', { validFrom: '1', testFrom: '2001-01-01' }],
  ])('are what the key wants: %s=%j', async (key, text, expected) => {
    const cwd = await folderWith({ 'c.yaml': 'method: mean\n' });
    const config = await loadConfig('c.yaml', { cwd, set: [`${key}=${text}`] });
    const value = key.split('.').reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], config);
    if (typeof expected === 'object' && expected !== null) expect(value).toMatchObject(expected);
    else expect(value).toBe(expected);
  });

  it.each<[string, string, RegExp]>([
    ['seed', '', /^--set seed: the value is empty; give one$/],
    ['data.path', ' ', /^--set data\.path: the value is empty; give one, or null for none$/],
    [
      'data.path',
      'data\r',
      /"data\\r" ends with a carriage return; the script that gave it has the line ends of Windows/,
    ],
    ['evaluation.splits', 'test', /must be a list, got "test"; put it in brackets: \[test\]$/],
    ['cf.betas', '(0.9, 0.99)', /must be a list, got "\(0\.9, 0\.99\)"; put it in brackets: \[0\.9, 0\.99\]$/],
    ['data.split', 'ratio', /must be keys with values, got "ratio"; write \{key: value\}/],
    [
      'data.split',
      '{by:ratio}',
      /^--set data\.split: "by:ratio" is one key, without a value; write a blank after the colon$/,
    ],
    ['data.split', '{by: ratio, x: 1}', /^--set data\.split: unknown key data\.split\.x/],
    ['data.csv.separator', 'tab', /must have 1 character, got "tab"$/],
    ['cf.betas', '[0.9]', /must have at least 2 entries, got \[0\.9\]$/],
    ['data.split', 'null', /^--set data\.split: data\.split: must be a mapping of keys to values, got null$/],
  ])('are refused with what to give instead: %s=%j', async (key, text, message) => {
    const cwd = await folderWith({ 'c.yaml': 'method: mean\n' });
    await expect(loadConfig('c.yaml', { cwd, set: [`${key}=${text}`] })).rejects.toThrow(message);
  });
});
