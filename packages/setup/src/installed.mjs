// Drivers that are installed on the machine.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SetupError } from './system.mjs';

const driverFolders = ['/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d'];

/** The manifests of Vulkan drivers installed on this machine. */
export async function installedDrivers() {
  const found = [];
  for (const folder of driverFolders) {
    for (const name of (await readdir(folder).catch(() => [])).sort()) found.push(join(folder, name));
  }
  return found;
}

/** The installed lavapipe's own environment: the other drivers are hidden, since one of them may crash Dawn. */
export async function installedLavapipe() {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES } = process.env;
  const named = VK_DRIVER_FILES || VK_ICD_FILENAMES;
  if (named) return { node: process.execPath, env: {}, label: `the driver named by the environment (${named})` };
  const manifest = (await installedDrivers()).find((path) => /lvp|lavapipe/.test(path));
  if (!manifest) throw new SetupError('no lavapipe is installed');
  return { node: process.execPath, env: { VK_DRIVER_FILES: manifest }, label: `the installed lavapipe (${manifest})` };
}
