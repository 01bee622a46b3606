/**
 * Runs the tests of one kernel in a process of its own: `verify-worker KERNEL`; without an argument it tells which
 * kernels there are. The build puts the tests in (verify.build.ts) and the stand-ins beneath them.
 */
import { kernelTests } from 'crossgate:kernel-tests';
import { recordTests } from './comparisons';
import type { VerifiableKernel, WorkerMessage } from './rows';
import { clearTests, countTests, runTests } from './vitest';

/** Sends one message; resolves when it has left the process. */
function send(message: WorkerMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) throw new Error('verify-worker is started by `crossgate-bench verify`');
    process.send(message, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}

async function load(kernel: string): Promise<number> {
  clearTests();
  for (const loadFile of kernelTests[kernel] ?? []) await loadFile();
  return countTests();
}

const [name] = process.argv.slice(2);
if (name === undefined) {
  const kernels: VerifiableKernel[] = [];
  for (const kernel of Object.keys(kernelTests)) kernels.push({ kernel, tests: await load(kernel) });
  await send({ kind: 'kernels', kernels });
} else {
  await load(name);
  const sent: Promise<void>[] = [];
  await runTests(recordTests(name, (results) => void sent.push(send({ kind: 'results', results }))));
  await Promise.all(sent);
  await send({ kind: 'done' });
}
// A GPU driver's threads, or a device that a failing test left open, must not keep the process.
process.exit(0);
