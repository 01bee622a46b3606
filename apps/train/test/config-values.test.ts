/** Values in configs that no run should start with: sizes out of hand, typed YAML, repetitions; and the words for them. */

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configJsonSchema, type JsonSchema, SET_RULE } from '@crossgate/experiment';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { describe, expect, it, vi } from 'vitest';
import { runCli } from './cli';

// A further method with a language model, as a later one will be declared.
vi.mock('@crossgate/fusion/methods', async (importOriginal) => {
  const original = await importOriginal<typeof import('@crossgate/fusion/methods')>();
  return { ...original, methods: [...original.methods, { ...original.methods[0]!, name: 'invented' }] };
});

/** Runs `config show` on a text and expects exit code 2 with one line that says what is wrong. */
async function refuse(text: string, expected: RegExp, set: string[] = []) {
  const cwd = await folderWith({ 'c.yaml': text });
  const warnings: unknown[] = [];
  const spy = vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(warning));
  const { code, stdout, stderr } = await runCli(
    ['config', 'show', 'c.yaml', ...set.flatMap((entry) => ['--set', entry])],
    { cwd },
  );
  spy.mockRestore();
  expect({ code, stdout, warnings }, stderr).toEqual({ code: 2, stdout: '', warnings: [] });
  expect(stderr).toMatch(/^error: [^\n]*\n$/);
  expect(stderr).toMatch(expected);
}

describe('sizes in a config', () => {
  it.each([
    ['cf.cfDim', 65_536],
    ['cf.batchSize', 1e6],
    ['cf.epochs', 1e6],
    ['lora.rank', 4096],
    ['gate.hidden', 65_536],
    ['alg.hiddenFactor', 1024],
    ['training.stage1.batchSize', 1e6],
    ['training.stage2.epochs', 1e6],
    ['evaluation.batchTokens', 1e7],
    ['llm.maxLength', 1e6],
    ['prompt.historyLength', 10_000],
  ])('%s goes up to %d', async (key, most) => {
    const cwd = await folderWith({ 'c.yaml': 'method: mean\n' });
    expect(await runCli(['config', 'show', 'c.yaml', '--set', `${key}=${most}`], { cwd })).toMatchObject({ code: 0 });
    await refuse('method: mean\n', new RegExp(`--set ${key}: ${key}: must be at most ${most}, got ${most + 1}`), [
      `${key}=${most + 1}`,
    ]);
  });

  it('have a bound in every whole number of the schema', () => {
    const unbounded: string[] = [];
    const walk = (node: JsonSchema, path: string): void => {
      const nested = [node, ...((node.anyOf as JsonSchema[] | undefined) ?? [])];
      for (const { type, maximum } of nested) {
        if (type === 'integer' && !((maximum as number) < Number.MAX_SAFE_INTEGER)) unbounded.push(path);
      }
      for (const [key, child] of Object.entries(node.properties ?? {})) walk(child, `${path}.${key}`);
    };
    walk(configJsonSchema(), '');
    expect(unbounded).toEqual([]);
  });
});

describe('values of a config', () => {
  it.each([
    ['a set', 'method: mean\ncf: !!set {cfDim, epochs}\n', /c\.yaml:2:1: cf: must be a plain value/],
    ['an ordered map', 'method: mean\ncf: !!omap [cfDim: 3]\n', /c\.yaml:2:1: cf: must be a plain value/],
    ['a set as the whole', '!!set {method}\n', /c\.yaml:1:1: a config must be a mapping/],
    [
      'a set in a list',
      'method: mean\nlora: {targets: [!!set {q_proj}]}\n',
      /c\.yaml:2:\d+: lora\.targets\.0: must be/,
    ],
    ['an unknown tag', 'method: !mine mean\n', /c\.yaml:1:9: not valid YAML: Unresolved tag/],
    ['a mapping as key', 'method: mean\n? {a: 1}\n: 2\n', /c\.yaml:2:3: a key must be plain text/],
    ['a list as key', 'method: mean\ncf: {[a, b]: 2}\n', /c\.yaml:2:6: a key must be plain text/],
    ['no key', 'method: mean\n: 2\n', /c\.yaml:2:1: a key must be plain text/],
    ['a second document', 'method: mean\n---\nseed: 2\n', /c\.yaml:2:1: a second YAML document begins here/],
    ['nothing where keys belong', 'method: mean\ndata:\n', /c\.yaml:2:1: data: must be a mapping.*got null/],
    ['a number where text belongs', 'method: mean\ndata: {name: 3}\n', /data\.name: must be text, got 3/],
    [
      'text where a truth belongs',
      'method: mean\ntraining: {stage2: {trainCf: "no"}}\n',
      /must be true or false, got "no"/,
    ],
    [
      'a fraction where counts belong',
      'method: mean\ncf: {cfDim: 2.5}\n',
      /cf\.cfDim: must be a whole number, got 2\.5/,
    ],
    ['a share of one', 'method: mean\nlora: {dropout: 1}\n', /lora\.dropout: must be below 1, got 1/],
    [
      'a target twice',
      'method: mean\nlora: {targets: [q_proj, v_proj, q_proj]}\n',
      /lora\.targets: names q_proj twice/,
    ],
    ['a split twice', 'method: mean\nevaluation: {splits: [test, test]}\n', /evaluation\.splits: names test twice/],
    ['any declared method without its model', 'method: invented\n', /c\.yaml:1:1: method invented needs llm\.path/],
  ])('%s', async (_name, text, expected) => {
    await refuse(text, expected);
  });

  it.each(['/data/run #3', '[old] data', '~', 'b '])(
    'given by --set open the folder of that name alone: %j',
    async (name) => {
      const source = Object.entries(inventedMl1m());
      const inside = name.replace(/^\//, '');
      const cwd = await folderWith(
        Object.fromEntries(source.map(([path, text]) => [path.replace('ml-1m', () => inside), text])),
      );
      const path = name.startsWith('/') ? `${cwd}${name}` : name;
      const args = ['--set', 'data.name=ml-1m', '--set', `data.path=${path}`, '--run', 'r', '--json'];
      await writeFile(join(cwd, 'c.yaml'), 'method: mean\n');
      const { code, stderr } = await runCli(['train', 'c.yaml', ...args], { cwd });
      expect([code, stderr]).toEqual([0, expect.any(String)]);
      await rename(join(cwd, inside), join(cwd, 'other'));
      const gone = await runCli(['train', 'c.yaml', ...args.slice(0, 4), '--run', 's'], { cwd });
      expect([gone.code, gone.stderr]).toEqual([
        2,
        `error: data.path: ${path}: no such folder; give a prepared folder or a source folder\n`,
      ]);
    },
  );

  it.each(['train', 'predict', 'config show', 'data prepare'])('and the help of %s says the rule', async (command) => {
    const { stdout } = await runCli([...command.split(' '), '--help'], { cwd: '.' });
    expect(stdout.replace(/\s+/g, ' ')).toContain(`(repeatable): ${SET_RULE}`);
  });

  it.each([
    ['a set', 'cf=!!set {cfDim}', /--set cf: "!!set" is a tag in YAML and would be left out; put it in quotes/],
    ['a comment', 'cf.betas=[0.8, 0.9] # once 0.95', /--set cf\.betas: "# once 0\.95" begins a comment in YAML/],
    ['an anchor', 'evaluation.splits=[&a test]', /--set evaluation\.splits: "&a" is an anchor/],
    ['a mapping as key', 'cf={[a]: 2}', /--set cf: a key must be plain text/],
    ['a second document', 'cf={}\n---\n{}', /--set cf: a second YAML document/],
    ['a number and more', 'seed=5 # five', /--set seed: seed: must be a number, got "5 # five"/],
    ['a word for a truth', 'training.checkpointing=yes', /must be true or false, got "yes"/],
    ['two characters for one', 'data.csv.separator=\\t;', /data\.csv\.separator: .*1 character.*got "\\\\t;"/],
    ['blanks', 'data.path=  ', /--set data\.path: the value is empty; give one, or null for none/],
    ['text for a list', 'evaluation.splits=test', /evaluation\.splits: must be a list, got "test"/],
    ['nothing', 'data=null', /--set data: data: must be a mapping.*got null/],
  ])('given by --set: %s', async (_name, argument, expected) => {
    await refuse('method: mean\n', expected, [argument]);
  });
});
