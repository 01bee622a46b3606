/** What the vendors' tools say of free memory. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it, vi } from 'vitest';
import type { Device } from '../src';
import { deviceRemarks, freeDeviceMemory, type MemorySources } from '../src/node';

const machine = (smi: string | null, files: Readonly<Record<string, string>> = {}): MemorySources => ({
  run: async (program) => (program === 'nvidia-smi' ? smi : null),
  list: async (folder) => [
    ...new Set(
      Object.keys(files)
        .filter((file) => file.startsWith(`${folder}/`))
        .map((file) => file.slice(folder.length + 1).split('/')[0]!),
    ),
  ],
  read: async (file) => files[file] ?? null,
});
const mebibytes = (count: number) => Math.floor(0.95 * count * 2 ** 20);

describe('free memory of', () => {
  const two = 'NVIDIA GeForce RTX 3060, 11000\nNVIDIA H200, 143000\nNVIDIA H200, 100000\n';
  it.each([
    ['nvidia-h200', two, mebibytes(100_000)],
    ['nvidia-geforce-rtx-3060', two, mebibytes(11_000)],
    ['nvidia-geforce-rtx-3060#2', two, mebibytes(11_000)],
    ['another-name', two, mebibytes(11_000)],
    ['nvidia-h200', null, null],
    ['nvidia-h200', 'NVIDIA-SMI has failed because it could not communicate with the driver\n', null],
    ['nvidia-gb10', 'NVIDIA GB10, [N/A]\n', null],
    ['nvidia-h200', 'NVIDIA H200, 0\n', 0],
  ])('%s by nvidia-smi', async (name, smi, bytes) => {
    expect(await freeDeviceMemory({ name, vendor: 'nvidia' }, machine(smi))).toBe(bytes);
  });

  const card = (number: number, vendor: string, total: number, used: number) => ({
    [`/sys/class/drm/card${number}/device/vendor`]: `${vendor}\n`,
    [`/sys/class/drm/card${number}/device/mem_info_vram_total`]: `${total * 2 ** 20}\n`,
    [`/sys/class/drm/card${number}/device/mem_info_vram_used`]: `${used * 2 ** 20}\n`,
  });
  it.each([
    ['one card', card(0, '0x1002', 16_000, 1000), mebibytes(15_000)],
    ['two cards', { ...card(0, '0x1002', 16_000, 1000), ...card(1, '0x1002', 8000, 0) }, mebibytes(8000)],
    [
      'a card beside an integrated one',
      { ...card(0, '0x1002', 512, 0), ...card(1, '0x1002', 8000, 0) },
      mebibytes(8000),
    ],
    [
      'a card beside one of another vendor',
      { ...card(0, '0x8086', 16_000, 0), ...card(1, '0x1002', 8000, 0) },
      mebibytes(8000),
    ],
    ['an integrated one', card(0, '0x1002', 512, 0), null],
    ['none', { '/sys/class/drm/card0-DP-1/device/vendor': '0x1002' }, null],
  ])('%s of AMD by the driver', async (_, files, bytes) => {
    expect(await freeDeviceMemory({ name: 'amd-radeon', vendor: 'amd' }, machine(null, files))).toBe(bytes);
  });

  it('another vendor: nobody tells', async () => {
    expect(await freeDeviceMemory({ name: 'apple-m4', vendor: 'apple' }, machine(two))).toBe(null);
  });

  it.skipIf(process.platform === 'win32')(
    'what the program of that name prints, if it is there and works',
    async () => {
      const card = { name: 'nvidia-h200', vendor: 'nvidia' };
      const folder = await folderWith({ 'nvidia-smi': '#!/bin/sh\necho "NVIDIA H200, 1000"\n' });
      vi.stubEnv('PATH', folder);
      // Not a program yet.
      expect(await freeDeviceMemory(card)).toBe(null);
      await chmod(join(folder, 'nvidia-smi'), 0o755);
      expect(await freeDeviceMemory(card)).toBe(mebibytes(1000));
      await writeFile(join(folder, 'nvidia-smi'), '#!/bin/sh\necho "NVIDIA H200, 1000"\nexit 9\n');
      expect(await freeDeviceMemory(card)).toBe(null);
      vi.unstubAllEnvs();
    },
  );
});

describe('remarks on', () => {
  const remarks = (capabilities: Partial<Device['capabilities']>, budget: number) =>
    deviceRemarks({ capabilities: { name: 'card', vendor: 'nvidia', ...capabilities }, memory: { budget } } as Device);

  it.each([
    ['a card as it should be', { software: false, f16: true }, 2 ** 30, []],
    ['a software adapter', { software: true }, Number.POSITIVE_INFINITY, ['a software adapter']],
    ['a card of unknown memory', { software: false, f16: true }, Number.POSITIVE_INFINITY, ['is not known here']],
    ['a card that hides f16', { software: false, f16: false }, 2 ** 30, ['offers no f16']],
    ["another vendor's without f16", { software: false, f16: false, vendor: 'intel' }, 2 ** 30, []],
  ])('%s', (_, capabilities, budget, expected) => {
    expect(remarks(capabilities, budget)).toEqual(expected.map((part) => expect.stringContaining(part)));
  });
});
