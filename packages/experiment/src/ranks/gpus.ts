/** Which GPUs this process can see: two that see different ones use different ones. */
import { constants } from 'node:fs';
import { access, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Variables by which somebody gives a process one of several GPUs. Vulkan does not obey CUDA_VISIBLE_DEVICES and its like,
 * which launchers set too: ranks that differ in these alone would compute on the same GPU.
 */
const variables = ['MESA_VK_DEVICE_SELECT', 'VK_LOADER_DEVICE_SELECT', 'VK_DRIVER_FILES', 'VK_ICD_FILENAMES'];

/** The values of these variables, and the files of GPUs that this process may open: Slurm and containers limit them. */
export async function visibleGpus(env: NodeJS.ProcessEnv = process.env): Promise<string[]> {
  const set = variables.filter((name) => env[name] !== undefined).map((name) => `${name}=${env[name]}`);
  const found: string[] = [];
  for (const [folder, pattern] of [
    ['/dev', /^nvidia\d+$/],
    ['/dev/dri', /^renderD\d+$/],
  ] as const) {
    for (const name of (await readdir(folder).catch(() => [])).sort()) {
      if (pattern.test(name) && (await isOpenable(join(folder, name)))) found.push(name);
    }
  }
  return [...set, ...found];
}

/** A device that a control group forbids has a name, and rights, but does not open. */
async function isOpenable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    await (await open(path, 'r')).close();
    return true;
  } catch {
    return false;
  }
}
