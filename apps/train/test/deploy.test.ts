/** The files by which a run is put into production name options, files and versions that exist. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '@crossgate/terminal';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { crossgate } from '../src/cli';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (name: string) => readFileSync(join(root, name), 'utf8');

/** The options that `crossgate serve` has. */
function optionsOfServe(): string[] {
  const stdout = new Writable({ write: (_chunk, _encoding, done) => done() });
  const io = { stdin: Readable.from([]), stdout, stderr: stdout, stderrIsTerminal: false, env: {}, cwd: root };
  const program = buildProgram(crossgate, { ...io, signal: new AbortController().signal });
  const serve = program.commands.find((command) => command.name() === 'serve')!;
  return serve.options.map(({ long }) => long!);
}

/** Lists of words that start the server, by the file that they stand in. */
const dockerfile = read('Dockerfile');
const unit = read('docs/deploy/crossgate.service');
const compose = parse(read('docs/deploy/compose.yaml'));
const starts = {
  Dockerfile: JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)![1]!) as string[],
  'crossgate.service': /^ExecStart=\S+ \S+ (.*)$/m.exec(unit)![1]!.split(' '),
  'compose.yaml': compose.services.crossgate.command as string[],
};

it.each(Object.entries(starts))('%s starts the server by options that it has', (_, [command, ...words]) => {
  expect(command).toBe('serve');
  const used = words.filter((word) => word.startsWith('--'));
  expect(used.length).toBeGreaterThan(0);
  expect(used.filter((word) => !optionsOfServe().includes(word))).toEqual([]);
});

it('builds the image with the pinned pnpm, of what the checkout has', () => {
  const { packageManager, scripts } = JSON.parse(read('package.json'));
  expect(dockerfile).toContain(`npx --yes ${packageManager} `);
  expect(read('docs/serving.md')).toContain(`npx ${packageManager} `);
  for (const [, script] of dockerfile.matchAll(/npm run ([\w-]+)/g)) expect(scripts).toHaveProperty(script!);
  const ignored = read('.dockerignore').split('\n');
  for (const needed of ['tools', 'packages', 'apps', 'assets', 'configs']) expect(ignored).not.toContain(needed);
  expect(existsSync(join(root, 'docs/deploy', compose.services.crossgate.build, 'Dockerfile'))).toBe(true);
});

it('lets a supervisor start a server anew that lost its GPU, and no other', () => {
  expect(unit).toMatch(/^Restart=on-failure$/m);
  expect(unit).toMatch(/^SuccessExitStatus=130$/m);
  expect(unit).toMatch(/^RestartPreventExitStatus=2$/m);
  expect(compose.services.crossgate.restart).toBe('on-failure');
});
