/** `crossgate-bench verify`: every kernel and variant, forward and backward, against float64 on the adapter at hand. */

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { CrossgateError, InputError, significant } from '@crossgate/core';
import { findAdapter, preferenceOf } from '@crossgate/gpu/node';
import type { CommandContext, GlobalOptions } from '@crossgate/terminal';
import { columnTable } from '../column-table';
import { type Adapter, describeAdapter, describeMachine, findCommit, type Machine } from '../machine';
import type { VerifyResult } from '../verify/rows';
import { listKernels, verifyKernels } from '../verify/run';
import { emitReport, Steps } from './emit-report';

export interface VerifyCommandOptions extends GlobalOptions {
  readonly filter?: string;
  readonly jobs?: number;
  /** File for the JSON document. */
  readonly out?: string;
}

/** The JSON document of the command. */
export interface VerifyReport {
  readonly machine: Machine;
  readonly adapter: Adapter;
  readonly driver: string;
  /** Commit of the program's source; null where it is not known. */
  readonly commit: string | null;
  readonly seconds: number;
  readonly results: readonly VerifyResult[];
  /** Number of results that are not ok. */
  readonly failed: number;
  /** Number of results that did not run here. */
  readonly skipped: number;
}

/** A check failed. Ends with exit code 1. */
export class VerifyError extends CrossgateError {
  override name = 'VerifyError';
}

/** The worker as the build places it: beside the chunk that holds this file. */
const builtWorker = fileURLToPath(new URL('./verify-worker.js', import.meta.url));

/**
 * Runs the tests of the kernels whose name contains the filter, and prints or writes the report.
 *
 * @throws InputError when the filter matches nothing; NoAdapterError without a GPU; VerifyError when a check failed,
 *   after the report was written
 */
export async function runVerifyCommand(
  context: CommandContext,
  options: VerifyCommandOptions,
  worker = builtWorker,
): Promise<void> {
  const start = performance.now();
  const preference = preferenceOf(options.adapter, context.io.env.CROSSGATE_ADAPTER);
  // First, since the workers need one even to say which kernels they have.
  const { capabilities } = await findAdapter(preference);
  const adapter = describeAdapter(capabilities);
  const all = (await listKernels({ worker, signal: context.io.signal })).map(({ kernel }) => kernel);
  const wanted = options.filter?.toLowerCase() ?? '';
  const kernels = all.filter((kernel) => kernel.includes(wanted));
  if (kernels.length === 0) {
    const fix = `there are: ${all.join(', ')}`;
    throw new InputError(`no kernel matches "${options.filter}"`, { code: 'usage', fix });
  }
  // A software adapter takes all cores for one kernel; on hardware most of the time goes into references on the CPU.
  const jobs = options.jobs ?? (adapter.type === 'software' ? 1 : Math.min(8, availableParallelism()));
  context.log.info(`verifying ${kernels.length} kernels on ${adapter.name}`);
  const steps = new Steps(context, 'verify', 'kernels');
  const results = await verifyKernels(kernels, {
    ...{ worker, jobs, signal: context.io.signal },
    ...(preference !== undefined && { adapter: preference }),
    onKernel: (kernel, rows, done, total) => {
      const failed = rows.filter(({ ok }) => !ok).length;
      const verdict = failed === 0 ? 'ok' : `${failed} FAILED`;
      steps.update(done, total, `${kernel}: ${rows.length} checks, ${verdict}`);
    },
  }).finally(() => steps.finish());
  const report: VerifyReport = {
    machine: describeMachine(),
    adapter,
    driver: adapter.driver,
    commit: await findCommit(),
    seconds: (performance.now() - start) / 1000,
    results,
    failed: results.filter(({ ok }) => !ok).length,
    skipped: results.filter(({ skipped }) => skipped !== undefined).length,
  };
  await emitReport(context, report, options.out, formatVerifyReport);
  if (report.failed > 0) throw new VerifyError(`${report.failed} of ${results.length} checks failed`);
}

/** The report as text: a line per kernel, then each failure and what did not run. */
export function formatVerifyReport({
  machine,
  adapter,
  commit,
  seconds,
  results,
  failed,
  skipped,
}: VerifyReport): string {
  const kernels = [...new Set(results.map(({ kernel }) => kernel))];
  const rows = kernels.map((kernel) => {
    const own = results.filter((result) => result.kernel === kernel);
    const shares = own.map(({ maxError, tolerance }) => (maxError ? maxError / (tolerance ?? 1) : 0));
    const bad = own.filter(({ ok }) => !ok).length;
    return [
      kernel,
      `${own.length}`,
      `${(100 * Math.max(...shares)).toFixed(0)}%`,
      significant(own.reduce((sum, { ms }) => sum + ms, 0) / 1000),
      bad === 0 ? 'ok' : `${bad} failed`,
    ];
  });
  const one = ({ kernel, variant, shape, message, skipped: why }: VerifyResult) =>
    `  ${kernel}: ${variant}${shape === '' ? '' : ` [${shape}]`}: ${message ?? why ?? 'off'}`;
  const failures = results.filter(({ ok }) => !ok).map(one);
  const left = results.filter(({ skipped: why }) => why !== undefined).map(one);
  return [
    `${adapter.name} (${adapter.type}), driver ${adapter.driver}, ${machine.cpu}, commit ${commit ?? 'unknown'}`,
    '',
    columnTable(
      [
        { title: 'kernel' },
        { title: 'checks', right: true },
        { title: 'worst error of tolerance', right: true },
        { title: 's', right: true },
        { title: 'verdict' },
      ],
      rows,
    ),
    '',
    ...(failures.length > 0 ? ['failed:', ...failures, ''] : []),
    ...(left.length > 0 ? ['not run here:', ...left, ''] : []),
    `${results.length} checks, ${failed} failed, ${skipped} not run, ${seconds.toFixed(1)} s`,
  ].join('\n');
}
