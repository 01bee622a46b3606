// Tries a Node binary and environment for real: can Dawn run a compute shader there, and on what?
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { execute } from './system.mjs';

/**
 * @typedef {{ vendor: string, architecture: string, name: string, description: string, fallback: boolean }} Adapter
 * @typedef {{ node: string, env: Record<string, string> }} Environment the Node binary to start and the variables to
 *   add
 * @typedef {{ adapter: Adapter | null, software: boolean, mesa: string | null, f16: boolean, subgroupMatrix: boolean,
 *   reason: string, addOn: boolean }} Probe `adapter` is null when no shader ran, and `reason` says why; `addOn` is
 *   false when it was not the driver's fault: Dawn's add-on did not load
 */

const child = fileURLToPath(new URL('./probe-child.js', import.meta.url));

/** Runs the test shader under `environment` in a child process. @returns {Promise<Probe>} */
export async function probe(/** @type {Environment} */ environment) {
  const failed = (/** @type {string} */ reason, /** @type {boolean} */ addOn) => ({
    adapter: null,
    software: false,
    mesa: null,
    f16: false,
    subgroupMatrix: false,
    reason,
    addOn,
  });
  let webgpu;
  try {
    webgpu = createRequire(import.meta.url).resolve('webgpu');
  } catch {
    return failed('the webgpu package is not installed', false);
  }
  const result = await execute(environment.node, [child, webgpu], {
    env: { ...process.env, ...environment.env },
    timeout: 60_000,
  });
  return parseProbe(result) ?? failed(probeFailure(result), !endedLoading(result));
}

/** Whether a test process ended while it loaded Dawn's add-on, before any driver. */
export function endedLoading(/** @type {{ stdout: string }} */ { stdout }) {
  return stdout.includes('{"addOn":"loading"}') && !stdout.includes('{"addOn":"loaded"}');
}

/** @param {{ stdout: string }} result @returns {Probe | undefined} */
export function parseProbe(result) {
  // A driver may write to standard output too: ours is the last line that reads as JSON.
  for (const line of result.stdout.trim().split('\n').reverse()) {
    try {
      const found = JSON.parse(line);
      if (!found || typeof found !== 'object' || !('adapter' in found)) continue;
      const { adapter } = found;
      const words = adapter ? `${adapter.name} ${adapter.description} ${adapter.architecture}` : '';
      return {
        adapter,
        software: Boolean(adapter?.fallback) || /llvmpipe|lavapipe|swiftshader|softpipe/i.test(words),
        mesa: mesaVersion(words),
        f16: Boolean(found.f16),
        subgroupMatrix: Boolean(found.subgroupMatrix),
        reason: found.reason ?? '',
        addOn: found.addOn !== 'failed',
      };
    } catch {}
  }
  return undefined;
}

/** The Mesa version named in an adapter's description, as '26.1.6'; null when it names none. */
export function mesaVersion(/** @type {string} */ description) {
  return /Mesa (\d+(?:\.\d+)+)/.exec(description)?.[1] ?? null;
}

/** True when `version` is Mesa 26 or newer: the first with subgroup matrices in lavapipe. */
export function isRecentMesa(/** @type {string | null} */ version) {
  return version !== null && Number.parseInt(version, 10) >= 26;
}

function probeFailure(/** @type {{ code: number | null, signal: string | null, stderr: string }} */ result) {
  const words = result.stderr.trim().split('\n');
  const message = words.find((line) => /Error|error/.test(line)) ?? words.at(-1) ?? '';
  return `the test shader's process ended with ${result.signal ?? result.code}${message ? ` (${message.trim()})` : ''}`;
}
