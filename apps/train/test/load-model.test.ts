/** Models that are too large for the device are refused before they load; loading shows progress and can be stopped. */
import type { Device } from '@crossgate/gpu';
import { deviceBudget, type HostMemory } from '@crossgate/gpu/node';
import { checkModelFits, expectedTensors, type LlamaConfig, loadedBytes } from '@crossgate/llm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runCli } from './cli';
import { opened } from './opened-devices';
import { tinyRuns } from './tiny-runs';

vi.mock('@crossgate/gpu/node', async (original) => (await import('./opened-devices')).watched(original));

/** Labels of the progress that commands showed, with what was to do. */
const tasks: [string, number][] = [];
vi.mock('../src/session', async (original) => {
  const actual = await original<typeof import('../src/session')>();
  return {
    ...actual,
    sessionOf: (context: Parameters<typeof actual.sessionOf>[0]) =>
      actual.sessionOf({
        ...context,
        progress: {
          start(label, total, unit, from) {
            tasks.push([label, total]);
            return context.progress.start(label, total, unit, from);
          },
        },
      }),
  };
});

const { listAdapters } = await import('@crossgate/gpu/node');
const adapters = await listAdapters();

afterEach(() => {
  opened.onOpen = () => {};
  tasks.length = 0;
  vi.unstubAllEnvs();
});

const config: LlamaConfig = {
  ...{ architecture: 'llama', vocabSize: 64, hiddenSize: 32, intermediateSize: 64, layers: 2, heads: 2 },
  ...{ keyValueHeads: 1, headDim: 16, rmsNormEpsilon: 1e-5, ropeTheta: 10000, tieWordEmbeddings: true },
  ...{ maxPositions: 100_000, bosTokenId: null, eosTokenIds: [] },
};
const source = {
  config,
  tensors: new Map([...expectedTensors(config)].map(([name, shape]) => [name, { shape, dtype: 'F32' }])),
};

describe('checkModelFits', () => {
  const sizes = (['f32', 'f16', 'int8', 'int4'] as const).map((weights) => loadedBytes(source, weights));

  it('counts the weights and the angles of as many positions as a model gets', () => {
    const values = [...source.tensors.values()].map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    expect(loadedBytes(source, 'stored')).toBe(4 * (values.reduce((a, b) => a + b, 0) + 8192 * 16));
  });

  it.each([
    [0, 0, /^fits$/],
    [
      0,
      -1,
      /would take \d+\.\d KiB on the device \(--weights stored\) of \d+\.\d KiB that is left; other weights: f16 .* KiB, int8 .* KiB, int4 .* KiB; use --weights f16, or raise CROSSGATE_MEMORY_BUDGET$/,
    ],
    [1, -1, /; use --weights int8, or/],
    [2, -1, /; use --weights int4, or/],
    [3, 0, /; use --weights int4, or/],
    [3, -1, /; take a smaller model, or/],
  ])('says what would fit into size %i%i', (index, less, expected) => {
    const budget = { bytes: sizes[index]! + less, origin: ' that is left' };
    let words = 'fits';
    try {
      expect(checkModelFits(source, 'stored', '--weights', budget)).toBe(sizes[0]);
    } catch (error) {
      expect((error as Error).name).toBe('InputError');
      words = (error as Error).message;
    }
    expect(words).toMatch(expected);
  });

  it('does not name weights that would not be smaller', () => {
    const budget = { bytes: sizes[3]! - 1, origin: '' };
    expect(() => checkModelFits(source, 'int8', '--weights', budget)).toThrow(/other weights: int4 [^,]* KiB; take/);
    expect(() => checkModelFits(source, 'int4', '--weights', budget)).toThrow(/ KiB; take a smaller model/);
  });
});

describe('deviceBudget', () => {
  const of = (budget: number, software: boolean, host: HostMemory) =>
    deviceBudget(
      { memory: { budget, report: () => ({ total: 0 }) }, capabilities: { software } } as Device,
      () => host,
    );
  const gigabyte = 2 ** 30;
  const kilobytes = (gigabytes: number) => `${gigabytes * 2 ** 20} kB`;
  const machine: HostMemory = {
    meminfo: `MemTotal:       ${kilobytes(32)}\nMemFree:  ${kilobytes(1)}\nMemAvailable:   ${kilobytes(16)}\nSwapFree:   ${kilobytes(8)}\n`,
    limits: 'Max data size             unlimited            unlimited            bytes\n',
    status: `VmPeak:  ${kilobytes(9)}\nVmSize:  ${kilobytes(2)}\nVmRSS:  ${kilobytes(1)}\n`,
    constrained: 2 ** 64,
    total: 32 * gigabyte,
  };
  const limited = 'Max address space         6442450944           unlimited            bytes\n';

  it.each([
    ['free memory and swap', {}, 24],
    ['the container', { constrained: 9 * gigabyte }, 8],
    ['the address space', { limits: limited }, 4],
    ['nothing where it is overdrawn', { constrained: gigabyte / 2 }, 0],
    ['the whole machine where nothing else is known', { meminfo: '', limits: '', status: '', constrained: 0 }, 32],
  ])('of a software adapter is a share of %s', (_, host, gigabytes) => {
    const { bytes, origin } = of(Number.POSITIVE_INFINITY, true, { ...machine, ...host });
    expect(bytes).toBe((7 / 8) * gigabytes * gigabyte);
    expect(origin).toMatch(/this machine/);
  });

  it('is the one that was set, and none on hardware', () => {
    expect(of(5, true, machine)).toEqual({ bytes: 5, origin: '' });
    expect(of(Number.POSITIVE_INFINITY, false, machine).bytes).toBe(Number.POSITIVE_INFINITY);
  });

  it('reads this machine without a budget', () => {
    const { bytes } = deviceBudget({
      memory: { budget: Number.POSITIVE_INFINITY, report: () => ({ total: 0 }) },
      capabilities: { software: true },
    } as Device);
    expect(bytes).toBeGreaterThan(2 ** 20);
    expect(bytes).toBeLessThan(2 ** 50);
  });
});

describe.skipIf(adapters.length === 0)('a command with a model', { timeout: 120_000 }, () => {
  it('refuses one that is too large, shows that it loads, and stops', async () => {
    const cwd = await tinyRuns();
    const quick = ['cf.epochs=1', 'training.stage1.rows=4', 'training.stage2.rows=4', 'evaluation.testRows=4'];
    const trained = await runCli(['train', 'ccf.yaml', '--run', 'run', ...quick.flatMap((text) => ['--set', text])], {
      cwd,
    });
    expect(trained.code, trained.stderr).toBe(0);
    const shown = tasks.filter(([label]) => label === 'loading weights');
    expect(shown).toHaveLength(1);
    const total = shown[0]![1];

    const commands = {
      '--weights': ['logits', '--model', 'model', '--tokens', '1,2'],
      'llm.weights:': ['recommend', 'run', '--user', '1'],
    };
    for (const [setting, argv] of Object.entries(commands)) {
      vi.stubEnv('CROSSGATE_MEMORY_BUDGET', String(total - 1));
      let taken = 0;
      opened.onOpen = ({ memory }) => {
        const { persistent } = memory;
        vi.spyOn(memory, 'persistent').mockImplementation((bytes, purpose) => {
          if (purpose === 'weights') taken += bytes;
          return persistent.call(memory, bytes, purpose);
        });
      };
      const refused = await runCli(argv, { cwd });
      expect({ code: refused.code, taken }, refused.stderr).toEqual({ code: 2, taken: 0 });
      expect(refused.stderr).toMatch(/^error: the model would take 6.\.. KiB on the device/m);
      expect(refused.stderr).toContain(`; use ${setting} f16, or raise CROSSGATE_MEMORY_BUDGET\n`);

      vi.stubEnv('CROSSGATE_MEMORY_BUDGET', '');
      const [controller, spy] = [new AbortController(), opened.onOpen];
      opened.onOpen = (device) => {
        spy(device);
        controller.abort();
      };
      tasks.length = 0;
      const stopped = await runCli(argv, { cwd, signal: controller.signal });
      expect(stopped.code, stopped.stderr).toBe(130);
      expect(tasks).toContainEqual(['loading weights', total]);
      expect(taken).toBeGreaterThan(0);
      expect(taken).toBeLessThan(total);
    }

    let obstacle: string | null = null;
    opened.onOpen = ({ capabilities }) => {
      const { name, software } = capabilities;
      obstacle = software ? `${name} is a program on the processor, which only imitates matrix units` : null;
    };
    for (const [setting, argv] of Object.entries({
      '--precision': [...commands['--weights'], '--precision', 'f16'],
      'llm.precision:': [...commands['llm.weights:'], '--set', 'llm.precision=f16'],
    })) {
      const refused = await runCli(argv, { cwd });
      if (obstacle === null) continue;
      expect(refused.code, refused.stderr).toBe(2);
      expect(refused.stderr).toContain(
        `error: ${setting} f16 needs matrix units, but ${obstacle}; use ${setting} f32\n`,
      );
    }
  });
});
