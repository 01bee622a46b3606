/** Wrong usage and bad input: exit code 2, one clear line, no stack, nothing on standard output, nothing left behind. */

import { folderWith, inventedMl1m, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli';

const csv = (text: string) => ({ 'scores.csv': text });
const yaml = (text: string) => ({ 'c.yaml': text });
const model = {
  'model/config.json': '{"model_type": "llama"}',
  'bad.gguf': 'GGUF but not really',
  'folder/notes.txt': 'no model here',
};

/** What is typed, the files that are there, and what the line must say. */
const cases: [string, string[], Record<string, string>, RegExp][] = [
  // The command line itself.
  ['no command', [], {}, /Usage: crossgate/],
  ['a group without its command', ['data'], {}, /Usage: crossgate data/],
  ['an unknown command', ['trian', 'c.yaml'], {}, /unknown command 'trian'.*Did you mean train/],
  ['an unknown subcommand', ['data', 'prepar'], {}, /unknown command 'prepar'.*Did you mean prepare/],
  ['an unknown flag', ['metrics', 'x.csv', '--jsn'], {}, /unknown option '--jsn'.*Did you mean --json/],
  ['a missing argument', ['train'], {}, /missing required argument 'config'/],
  ['too many arguments', ['metrics', 'a.csv', 'b.csv'], {}, /too many arguments for 'metrics': b\.csv; see --help/],
  [
    'two keys behind one --set',
    ['train', 'c.yaml', '--set', 'seed=1', 'cf.epochs=2', 'cf.cfDim=3'],
    {},
    /too many arguments for 'train': cf\.epochs=2 cf\.cfDim=3; write --set before each key=value; see --help/,
  ],
  ['a missing required option', ['data', 'export', '--split', 'test'], {}, /required option '--data <dir>'/],
  ['an option without its value', ['train', 'c.yaml', '--set'], {}, /--set <key=value>' argument missing/],
  ['a seed that is no number', ['--seed', 'x', 'doctor'], {}, /--seed.*whole number/],
  ['a negative seed', ['doctor', '--seed', '-1'], {}, /--seed.*whole number/],
  ['an unknown shell', ['completion', 'csh'], {}, /'csh' is invalid.*bash, zsh, fish/],
  // Configs.
  ['a config that is missing', ['train', 'none.yaml'], {}, /none\.yaml: config not found/],
  ['a folder as config', ['train', 'folder'], model, /folder: is a folder/],
  [
    'a config that is not YAML',
    ['train', 'c.yaml'],
    yaml('method: mean\ncf: {cfDim: 3\nseed: 1\n'),
    /c\.yaml:\d+:\d+: not valid YAML/,
  ],
  ['a tab in YAML', ['train', 'c.yaml'], yaml('method: mean\ncf:\n\tcfDim: 3\n'), /c\.yaml:3:\d+: not valid YAML/],
  ['a key twice', ['train', 'c.yaml'], yaml('seed: 1\nseed: 2\n'), /c\.yaml:2:1: not valid YAML/],
  ['a binary config', ['train', 'c.yaml'], { 'c.yaml': '\u0000\u0001\u0002' }, /c\.yaml/],
  ['a list as config', ['train', 'c.yaml'], yaml('- a\n- b\n'), /c\.yaml:1:1: a config must be a mapping/],
  ['an empty config', ['train', 'c.yaml'], yaml(''), /c\.yaml: key method is missing/],
  [
    'an unknown key',
    ['train', 'c.yaml'],
    yaml('method: mean\ncf:\n  cfdim: 3\n'),
    /c\.yaml:3:3: unknown key cf\.cfdim \(did you mean cfDim\?\)/,
  ],
  [
    'a key at the wrong place',
    ['train', 'c.yaml'],
    yaml('method: mean\ncfDim: 3\n'),
    /c\.yaml:2:1: unknown key cfDim \(did you mean cf\.cfDim\?\)/,
  ],
  [
    'a prototype key',
    ['train', 'c.yaml'],
    yaml('method: mean\n__proto__: {seed: 3}\n'),
    /c\.yaml:2:1: unknown key __proto__/,
  ],
  [
    'a wrong type',
    ['train', 'c.yaml'],
    yaml('method: mean\ncf: {cfDim: wide}\n'),
    /c\.yaml:2:6: cf\.cfDim: must be a number, got "wide"/,
  ],
  ['a value out of range', ['train', 'c.yaml'], yaml('method: mean\nseed: -1\n'), /c\.yaml:2:1: seed: .*>=0.*got -1/],
  [
    'not a number',
    ['train', 'c.yaml'],
    yaml('method: mean\ncf: {learningRate: .nan}\n'),
    /cf\.learningRate: must be a number, got NaN/,
  ],
  [
    'an unknown method',
    ['train', 'c.yaml'],
    yaml('method: maen\n'),
    /c\.yaml:1:1: method: "maen" is not one of .*did you mean mean/,
  ],
  [
    'a name with slashes',
    ['train', 'c.yaml'],
    yaml('method: mean\nname: ../../x\n'),
    /c\.yaml:2:1: name: must be letters/,
  ],
  [
    'an extends that is missing',
    ['train', 'c.yaml'],
    yaml('extends: base.yaml\nmethod: mean\n'),
    /c\.yaml:1:1: extends base\.yaml, which does not exist/,
  ],
  [
    'an extends in a circle',
    ['train', 'c.yaml'],
    { 'c.yaml': 'extends: d.yaml\n', 'd.yaml': 'extends: c.yaml\n' },
    /circle: c\.yaml -> d\.yaml -> c\.yaml/,
  ],
  ['an extends of the wrong type', ['train', 'c.yaml'], yaml('extends: 3\n'), /c\.yaml:1:1: extends must be a path/],
  ['an alias that holds itself', ['train', 'c.yaml'], yaml('method: mean\ncf: &a\n  cfDim: *a\n'), /c\.yaml/],
  [
    'a method without its model',
    ['train', 'c.yaml'],
    yaml('method: tallrec\n'),
    /c\.yaml:1:1: method tallrec needs llm\.path/,
  ],
  ['a --set without value', ['train', 'c.yaml', '--set', 'seed'], yaml('method: mean\n'), /--set seed: must look like/],
  ['a --set without key', ['train', 'c.yaml', '--set', '=3'], yaml('method: mean\n'), /--set =3: must look like/],
  [
    'a --set of an unknown key',
    ['train', 'c.yaml', '--set', 'cf.dim=3'],
    yaml('method: mean\n'),
    /--set cf\.dim: unknown key cf\.dim \(did you mean cfDim\?\)/,
  ],
  [
    'a --set of a wrong type',
    ['train', 'c.yaml', '--set', 'cf.cfDim=x'],
    yaml('method: mean\n'),
    /--set cf\.cfDim: cf\.cfDim: must be a number/,
  ],
  [
    'a --set through a number',
    ['train', 'c.yaml', '--set', 'seed.x=1'],
    yaml('method: mean\nseed: 2\n'),
    /--set seed\.x: seed: must be a number/,
  ],
  [
    'a --set of a list that is not YAML',
    ['train', 'c.yaml', '--set', 'cf.betas=[1'],
    yaml('method: mean\n'),
    /--set cf\.betas: not valid YAML/,
  ],
  // Data.
  [
    'an unknown data set',
    ['data', 'prepare', 'ml-2m', '--source', 'ml-1m', '--out', 'out'],
    inventedMl1m(),
    /unknown data set "ml-2m"/,
  ],
  [
    'a source that is missing',
    ['data', 'prepare', 'ml-1m', '--source', 'none', '--out', 'out'],
    {},
    /none: no such folder/,
  ],
  [
    'a source that is a file',
    ['data', 'prepare', 'ml-1m', '--source', 'c.yaml', '--out', 'out'],
    yaml(''),
    /c\.yaml: not a folder/,
  ],
  [
    'a source without its files',
    ['data', 'prepare', 'ml-1m', '--source', 'folder', '--out', 'out'],
    model,
    /(ratings|movies)\.dat: no such file/,
  ],
  [
    'a malformed row',
    ['data', 'prepare', 'ml-1m', '--source', 'ml-1m', '--out', 'out'],
    { ...inventedMl1m(), 'ml-1m/ratings.dat': '1::1::5::991440000\n1::2::five::991440000\n' },
    /ratings\.dat:2/,
  ],
  [
    'an output that is not empty',
    ['data', 'prepare', 'ml-1m', '--source', 'ml-1m', '--out', 'folder'],
    { ...inventedMl1m(), ...model },
    /folder: not empty/,
  ],
  [
    'an output that is a file',
    ['data', 'prepare', 'ml-1m', '--source', 'ml-1m', '--out', 'c.yaml'],
    { ...inventedMl1m(), ...yaml('') },
    /c\.yaml: is a file/,
  ],
  [
    'a folder that is no data set',
    ['data', 'export', '--data', 'folder', '--split', 'test'],
    model,
    /folder: is not a data set/,
  ],
  [
    'a data folder that is missing',
    ['data', 'export', '--data', 'none', '--split', 'test'],
    {},
    /none: data folder not found/,
  ],
  [
    'an unknown split',
    ['data', 'export', '--data', 'ml-1m', '--split', 'tset'],
    inventedMl1m(),
    /unknown split "tset"/,
  ],
  [
    'a damaged prepared folder',
    ['data', 'export', '--data', 'p', '--split', 'test'],
    { 'p/dataset.json': '{"formatVersion": 99}' },
    /dataset\.json/,
  ],
  [
    'data that is nowhere',
    ['train', 'c.yaml'],
    yaml('method: mean\n'),
    /data set ml-1m not found \(tried .*data\/ml-1m\)/,
  ],
  [
    'a data path that is missing',
    ['train', 'c.yaml', '--set', 'data.path=none'],
    yaml('method: mean\n'),
    /data\.path: none: no such folder/,
  ],
  // Runs.
  [
    'a run folder that holds something else',
    ['train', 'c.yaml', '--run', 'folder', '--set', 'data.path=ml-1m'],
    { ...yaml('method: mean\n'), ...inventedMl1m(), ...model },
    /folder: is not empty and is not a run/,
  ],
  [
    'a run folder that is a file',
    ['train', 'c.yaml', '--run', 'c.yaml', '--set', 'data.path=ml-1m'],
    { ...yaml('method: mean\n'), ...inventedMl1m() },
    /c\.yaml: is a file/,
  ],
  [
    'a folder to resume that is no run',
    ['train', 'c.yaml', '--run', 'folder', '--resume', '--set', 'data.path=ml-1m'],
    { ...yaml('method: mean\n'), ...inventedMl1m(), ...model },
    /folder: is not empty and is not a run/,
  ],
  [
    'a run to resume that is missing',
    ['train', 'c.yaml', '--run', 'none', '--resume', '--set', 'data.path=ml-1m'],
    { ...yaml('method: mean\n'), ...inventedMl1m() },
    /none: no run to resume; name one with --run, or leave out --resume/,
  ],
  ['a run that is missing', ['evaluate', 'none'], {}, /none: run not found/],
  ['a folder that is no run', ['evaluate', 'folder'], model, /folder: is not a run/],
  [
    'a run that is not complete',
    ['evaluate', 'r'],
    { 'r/config.yaml': 'method: mean\n' },
    /r: the run is not complete/,
  ],
  [
    'a damaged result',
    ['evaluate', 'r'],
    { 'r/config.yaml': 'method: mean\n', 'r/result.json': '{"met' },
    /result\.json: is not valid JSON/,
  ],
  [
    'an unknown split to evaluate',
    ['evaluate', 'r', '--split', 'validd'],
    {},
    /unknown split validd \(did you mean valid\?\)/,
  ],
  // Scored CSVs.
  ['a CSV that is missing', ['metrics', 'none.csv'], {}, /none\.csv: CSV not found/],
  ['a folder as CSV', ['metrics', 'folder'], model, /folder: is a folder/],
  ['an empty CSV', ['metrics', 'scores.csv'], csv(''), /scores\.csv: is empty/],
  ['a CSV with only a header', ['metrics', 'scores.csv'], csv('user,label,score\n'), /scores\.csv: holds no rows/],
  ['a missing column', ['metrics', 'scores.csv'], csv('user,label\n1,1\n'), /scores\.csv:1: column score is missing/],
  [
    'a score that is text',
    ['metrics', 'scores.csv'],
    csv('user,label,score\n1,1,0.5\n1,0,high\n'),
    /scores\.csv:3: score is "high"/,
  ],
  [
    'a score that is not a number',
    ['metrics', 'scores.csv'],
    csv('user,label,score\n1,1,NaN\n'),
    /scores\.csv:2: score is "NaN"/,
  ],
  [
    'a score that is infinite',
    ['metrics', 'scores.csv'],
    csv('user,label,score\n1,1,1e999\n'),
    /scores\.csv:2: score is "1e999"/,
  ],
  ['a score that is empty', ['metrics', 'scores.csv'], csv('user,label,score\n1,1,\n'), /scores\.csv:2: score is ""/],
  [
    'a label that is neither 0 nor 1',
    ['metrics', 'scores.csv'],
    csv('user,label,score\n1,2,0.5\n'),
    /scores\.csv:2: label is "2"; it must be 0 or 1/,
  ],
  ['an empty user', ['metrics', 'scores.csv'], csv('user,label,score\n,1,0.5\n'), /scores\.csv:2: user is empty/],
  [
    'a short row',
    ['metrics', 'scores.csv'],
    csv('user,label,score\n1,1,0.5\n1,1\n'),
    /scores\.csv:3: 2 fields where the header has 3/,
  ],
  [
    'an open quote',
    ['metrics', 'scores.csv'],
    csv('user,label,score\n"1,1,0.5\n'),
    /scores\.csv:2: a quoted field is never closed/,
  ],
  ['a binary file as CSV', ['metrics', 'scores.csv'], csv('\u0000\u0001'), /scores\.csv: is a binary file/],
  // Models.
  ['a model that is missing', ['tokenize', '--model', 'none', '--text', 'a'], {}, /--model: none: model not found/],
  [
    'a folder that is no model',
    ['tokenize', '--model', 'folder', '--text', 'a'],
    model,
    /folder: is not a model folder/,
  ],
  ['a model without tokenizer', ['tokenize', '--model', 'model', '--text', 'a'], model, /model.*tokenizer/],
  ['a damaged GGUF', ['tokenize', '--model', 'bad.gguf', '--text', 'a'], model, /bad\.gguf/],
  ['a damaged GGUF to run', ['logits', '--model', 'bad.gguf', '--tokens', '1'], model, /bad\.gguf/],
  ['a model config without shape', ['logits', '--model', 'model', '--tokens', '1'], model, /model/],
  [
    'tokens that are words',
    ['logits', '--model', 'model', '--tokens', '1,two'],
    model,
    /--tokens: "two" is not a token id/,
  ],
  [
    'tokens that are fractions',
    ['logits', '--model', 'model', '--tokens', '1,2.5'],
    model,
    /--tokens: "2\.5" is not a token id/,
  ],
  ['negative tokens', ['logits', '--model', 'model', '--tokens', '-1'], model, /--tokens: "-1" is not a token id/],
  ['no tokens', ['logits', '--model', 'model', '--tokens', ''], model, /--tokens: "" is not a token id/],
  ['an unknown dtype', ['logits', '--model', 'model', '--tokens', '1', '--dtype', 'f99'], model, /'f99' is invalid/],
  [
    'a temperature that is no number',
    ['generate', '--model', 'model', '--prompt', '', '--temperature', 'hot'],
    model,
    /--temperature/,
  ],
  [
    'a count of zero',
    ['generate', '--model', 'model', '--prompt', '', '--max-new-tokens', '0'],
    model,
    /--max-new-tokens/,
  ],
];

describe('bad input', () => {
  it.each(cases)('%s', async (_name, argv, files, expected) => {
    const cwd = await folderWith(files);
    const before = await listing(cwd);
    const { code, stdout, stderr } = await runCli([...argv], { cwd });
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
    if (!stderr.includes('Usage:')) {
      expect(stderr.trimEnd().split('\n').length, stderr).toBeLessThanOrEqual(2);
      expect(stderr).toMatch(/^error: /);
    }
    expect(await listing(cwd)).toEqual(before);
  });

  it('shows the stack only with --verbose', async () => {
    const cwd = await folderWith();
    const { code, stderr } = await runCli(['metrics', 'none.csv', '--verbose'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^\s+at /m);
  });
});

describe('help and version', () => {
  it.each([['--help'], ['train', '--help'], ['data', 'prepare', '-h'], ['metrics', '--help']])(
    '%s %s',
    async (...argv) => {
      const { code, stdout, stderr } = await runCli(argv, { cwd: process.cwd() });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/Usage: crossgate/);
      expect(stdout).toMatch(/Examples:\n {2}\$ crossgate/);
      expect(stdout).toMatch(/--json/);
    },
  );

  it('prints the version', async () => {
    expect(await runCli(['--version'], { cwd: process.cwd() })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  it.each(['bash', 'zsh', 'fish'])('completes in %s', async (shell) => {
    const { code, stdout } = await runCli(['completion', shell], { cwd: process.cwd() });
    expect(code).toBe(0);
    for (const word of ['prepare', 'tokenize', 'resume', 'max-new-tokens']) expect(stdout).toContain(word);
  });
});
