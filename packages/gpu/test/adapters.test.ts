/** Which adapters are listed, which one is meant, and the reasons given. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { InputError, NoAdapterError } from '../src';
import { type AdapterSummary, chooseAdapter, findAdapter, listAdapters, openDevice } from '../src/node';
import { noGpuFix, pickCandidate } from '../src/node/adapters';

const adapters = await listAdapters();
const card = (name: string, type: AdapterSummary['type'] = 'hardware') => ({ name, type });
const machine = [
  card('nvidia-geforce-rtx-3060'),
  card('nvidia-geforce-rtx-3060#2'),
  card('intel-r-uhd-graphics-770'),
  card('llvmpipe-llvm-21-1-8-256-bits', 'software'),
];

afterEach(() => void vi.unstubAllEnvs());

describe('choosing an adapter', () => {
  it.each([
    [undefined, 0, 'the first hardware adapter that the driver offers'],
    ['', 0, 'the first hardware adapter that the driver offers'],
    [' \t', 0, 'the first hardware adapter that the driver offers'],
    [' Hardware ', 0, 'hardware was asked for'],
    ['SOFTWARE', 3, 'software was asked for'],
    ['0', 0, 'number 0 was asked for'],
    [' 1 ', 1, 'number 1 was asked for'],
    ['3', 3, 'number 3 was asked for'],
    ['RTX 3060', 0, 'its name contains "RTX 3060", the first of 2'],
    ['3060', 0, 'its name contains "3060", the first of 2'],
    ['rtx-3060#2', 1, 'number 2 of those whose name contains "rtx-3060"'],
    ['nvidia-geforce-rtx-3060#2', 1, 'number 2 of those whose name contains "nvidia-geforce-rtx-3060"'],
    ['Intel(R) UHD', 2, 'its name contains "Intel(R) UHD"'],
    ['LLVMpipe', 3, 'its name contains "LLVMpipe"'],
  ])('%j means number %s', (preference, number, reason) => {
    expect(chooseAdapter(machine, preference)).toEqual({ chosen: machine[number], reason });
  });

  it.each([
    ['4', 'there is no adapter 4, they are 0 to 3'],
    // Though its name has a 8.
    ['8', 'there is no adapter 8, they are 0 to 3'],
    ['-1', 'there is no adapter -1, they are 0 to 3'],
    ['rtx 3060#3', '2 adapters\' names contain "rtx 3060"'],
    ['radeon', 'no adapter\'s name contains "radeon"'],
    ['---', 'no adapter\'s name contains "---"'],
  ])('%j is refused', (preference, reason) => {
    expect(chooseAdapter(machine, preference)).toEqual({ chosen: null, reason });
  });

  it('takes software where there is nothing else, unless hardware is asked for', () => {
    const [slow] = [card('slow', 'software')];
    expect(chooseAdapter([slow]).reason).toMatch(/expect it to be slow/);
    expect(chooseAdapter([slow], 'hardware')).toEqual({ chosen: null, reason: 'no hardware adapter was found' });
    expect(chooseAdapter([slow, card('fast')]).chosen?.name).toBe('fast');
    expect(chooseAdapter([slow], '1').reason).toBe('there is no adapter 1, the only one is 0');
    expect(chooseAdapter([])).toEqual({ chosen: null, reason: 'no adapter was found' });
  });

  it('lists what was found when none fits, and refuses a card that cannot be opened', () => {
    const candidates = machine.map(({ name, type }) => ({
      summary: { ...adapters[0]!, name, type },
      reachable: !name.includes('#'),
    }));
    const pick = (preference: string) => () => pickCandidate(candidates, preference);
    expect(pick('2')()).toBe(candidates[2]);
    expect(pick('radeon')).toThrow(/found: 0 nvidia-geforce-rtx-3060 \(hardware\), 1 nvidia-geforce-rtx-3060#2/);
    expect(pick('1')).toThrow(NoAdapterError);
    expect(pick('1')).toThrow(/^nvidia-geforce-rtx-3060#2 cannot be opened: .*; make it the first/);
    vi.stubEnv('VK_ICD_FILENAMES', '/no/such.json');
    vi.stubEnv('VK_DRIVER_FILES', '');
    const none = () => pickCandidate([], undefined);
    expect(none).toThrow(/no adapter was found \(found: none\)/);
    if (process.platform === 'linux')
      expect(none).toThrow(/; unset VK_ICD_FILENAMES, or correct it: .*such\.json is not/);
  });

  it('names what is missing where there is none', () => {
    const here = import.meta.filename;
    const linux = (env: Record<string, string>) => noGpuFix('linux', env);
    expect(linux({})).toMatch(/^install a Vulkan driver and the Vulkan loader/);
    expect(linux({ VK_DRIVER_FILES: `${here}${delimiter}/no/a.json`, VK_ICD_FILENAMES: here })).toBe(
      'unset VK_DRIVER_FILES, or correct it: /no/a.json is not there',
    );
    expect(linux({ VK_ICD_FILENAMES: here })).toBe(
      'unset VK_ICD_FILENAMES, or correct it: it names no driver that works here',
    );
    expect(noGpuFix('darwin', {})).toMatch(/Metal/);
    expect(noGpuFix('win32', { VK_ICD_FILENAMES: here })).toMatch(/Direct3D 12/);
  });
});

describe.skipIf(adapters.length === 0)('the adapters of this machine', () => {
  it('are chosen by the environment, which may be set and blank', async () => {
    for (const value of ['', ' ', adapters[0]!.type.toUpperCase(), '0', `${adapters[0]!.name} `]) {
      vi.stubEnv('CROSSGATE_ADAPTER', value);
      vi.stubEnv('CROSSGATE_MEMORY_BUDGET', value.trim() === '' ? value : '1 GiB ');
      const device = await openDevice({ adapter: '' });
      expect(device.capabilities.name).toBe(adapters[0]!.name);
      await device.destroy();
    }
    vi.stubEnv('CROSSGATE_ADAPTER', 'no such adapter');
    await expect(openDevice()).rejects.toThrow(NoAdapterError);
    expect((await findAdapter('0')).name).toBe(adapters[0]!.name);
    vi.stubEnv('CROSSGATE_MEMORY_BUDGET', 'much');
    await expect(openDevice()).rejects.toThrow(InputError);
  });
});

const driver = process.env.VK_DRIVER_FILES ?? '';
const built = existsSync(join(import.meta.dirname, '../dist/node.js'));

it.skipIf(!built || adapters.length === 0)(
  'lets Dawn warn of the limits of a driver once, where no adapter is named',
  () => {
    const node = JSON.stringify(join(import.meta.dirname, '../dist/node.js'));
    const script = `import { openDevice } from ${node}; await (await openDevice()).destroy(); console.log('opened');`;
    const env = { ...process.env, CROSSGATE_ADAPTER: '' };
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env,
    });
    expect(stdout).toBe('opened\n');
    expect(stderr.match(/maxDynamicUniformBuffersPerPipelineLayout artificially reduced/g)?.length ?? 0).toBeLessThan(
      2,
    );
  },
);

// A driver that is named twice shows every adapter twice.
describe.skipIf(!built || !existsSync(driver))('two equal adapters (needs dist/ and VK_DRIVER_FILES)', () => {
  it('are both listed, and chosen by number', async () => {
    const copy = join(await folderWith(), 'copy.json');
    await copyFile(driver, copy);
    const script = `
      const { listAdapters, openDevice } = await import(${JSON.stringify(new URL('../dist/node.js', import.meta.url).href)});
      const names = (await listAdapters()).map(({ name }) => name);
      const device = await openDevice({ adapter: '1' });
      await device.destroy();
      console.log(JSON.stringify({ names, opened: device.capabilities.name }));
      process.exit();`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, VK_DRIVER_FILES: `${driver}:${copy}` },
    });
    const name = adapters[0]!.name;
    expect(JSON.parse(stdout || JSON.stringify(stderr))).toEqual({ names: [name, `${name}#2`], opened: name });
  });
});
