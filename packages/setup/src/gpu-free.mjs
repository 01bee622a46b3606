// Which command lines of the programs need no GPU: for them, no driver is looked for.

/** Commands that compute on no GPU, by program. All others get one where there is one. */
export const gpuFree = /** @type {Record<string, string[]>} */ ({
  crossgate: [
    ...['adapter', 'compare', 'completion', 'config', 'data', 'evaluate', 'init', 'merge', 'metrics', 'model'],
    ...['setup', 'tokenize'],
  ],
  bench: ['completion', 'host'],
});

/**
 * Whether a command line may need a GPU. In doubt it does: looking for one in vain takes time, and no more.
 * @param {string} program name of the root script
 * @param {string[]} args what follows it
 */
export function mayNeedGpu(program, args) {
  const free = gpuFree[program];
  if (!free) return true;
  // A flag after another option may be its value.
  const asks = (/** @type {string} */ arg, /** @type {number} */ index) =>
    ['--help', '-h', '--version'].includes(arg) && !args[index - 1]?.startsWith('-');
  if (args.some(asks)) return false;
  const command = args.find((arg) => !arg.startsWith('-'));
  return command !== undefined && command !== 'help' && !free.includes(command);
}
