/** Measures the peer cases here and in PyTorch: results are compared before anything is timed. */

import { InterruptedError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import type { Ceilings } from '../ceilings/ceilings';
import { type MeasureOptions, measure } from '../measure';
import { findTorch, type TorchInfo, type TorchResult, TorchRun } from './pytorch';
import type { PeerCase, PeerWork, PreparedCase, PreparedWork } from './work';

/** Our time of some work beside the peers'. */
export interface ComparedResult {
  readonly name: string;
  readonly shape: string;
  readonly dtype: 'f32' | 'f16';
  /** Milliseconds of one call on the wall clock, as the peers'; null where we have none of this type. */
  readonly ms: number | null;
  readonly peers: Readonly<Record<string, number>>;
  /** ms of the fastest peer divided by ours. */
  readonly ratio: number | null;
  /** Relative error between our f32 result and the peers', in the Euclidean norm. */
  readonly peerErrors: Readonly<Record<string, number>>;
  /** Why a peer has no time. */
  readonly message?: string;
}

/** One line of the result: as a kernel's, but ours may be missing. */
export interface PeerResult extends ComparedResult {
  readonly kernel: string;
  /** `none` where we have no such kernel. */
  readonly variant: string;
  readonly gflops?: number;
  readonly gbps?: number;
  readonly ceiling: number;
  readonly ofCeiling: number | null;
}

export interface PeersReport {
  /** The PyTorch that was used, or why there is none. */
  readonly pytorch: TorchInfo | { readonly reason: string };
  readonly results: readonly PeerResult[];
}

export interface PeerOptions extends MeasureOptions {
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/** Cases whose name, kernel or shape contains `filter` (letter case ignored). */
export function selectPeerCases(cases: readonly PeerCase[], filter: string | undefined): PeerCase[] {
  const wanted = filter?.toLowerCase() ?? '';
  return cases.filter(({ name, kernel, shape }) =>
    [name, kernel, shape].some((text) => text.toLowerCase().includes(wanted)),
  );
}

/** Compares and measures. Without PyTorch our own times stand alone. */
export async function runPeerCases(
  device: Device,
  cases: readonly PeerCase[],
  ceilings: Pick<Ceilings, 'fma' | 'copy'>,
  options: PeerOptions = {},
): Promise<PeersReport> {
  if (cases.length === 0) return { pytorch: { reason: 'no case was chosen' }, results: [] };
  const pytorch = await findTorch(options.signal);
  const time = async ({ record }: PreparedCase) =>
    (await measure(device, record, { ...options, clock: 'wall' })).milliseconds;
  const compared = await compareWork(device, cases, time, pytorch, options);
  const results = compared.map(({ work, ms, dtype, answer }) => joinResult(device, work, ms, dtype, answer, ceilings));
  return { pytorch, results };
}

/** Some work in one data type: our time and a peer's answer. */
interface ComparedWork<Work> {
  readonly work: Work;
  readonly dtype: 'f32' | 'f16';
  readonly ms: number | null;
  readonly answer: TorchResult | undefined;
}

/**
 * Hands the work to PyTorch, where it is there, then times ours.
 *
 * @param time our milliseconds of one call on the wall clock.
 */
export async function compareWork<Prepared extends PreparedWork, Work extends PeerWork<Prepared>>(
  device: Device,
  cases: readonly (Work & PeerWork<Prepared>)[],
  time: (prepared: Prepared) => Promise<number>,
  pytorch: PeersReport['pytorch'],
  { seed = 1, signal, onProgress }: Omit<PeerOptions, keyof MeasureOptions>,
): Promise<ComparedWork<Work>[]> {
  let theirs: readonly TorchResult[] = [];
  if ('torch' in pytorch) {
    onProgress?.(`comparing ${cases.length} cases with PyTorch ${pytorch.torch} on ${pytorch.device}`);
    theirs = await askTorch(device, cases, seed, signal);
  }
  const compared: ComparedWork<Work>[] = [];
  for (const work of cases) {
    if (signal?.aborted) throw new InterruptedError();
    onProgress?.(`measuring ${work.name} ${work.shape}`);
    const prepared = work.prepare(device, seed);
    try {
      const ms = await time(prepared);
      for (const dtype of work.dtypes) {
        const answer = theirs.find((each) => each.id === work.id && each.dtype === dtype);
        if (dtype !== 'f32' && answer === undefined) continue;
        compared.push({ work, dtype, ms: dtype === 'f32' ? ms : null, answer });
      }
    } finally {
      prepared.release();
    }
  }
  return compared;
}

/** Hands over inputs and our results; nothing else uses the GPU meanwhile. */
async function askTorch(
  device: Device,
  cases: readonly PeerWork[],
  seed: number,
  signal: AbortSignal | undefined,
): Promise<TorchResult[]> {
  const run = await TorchRun.create();
  try {
    for (const peerCase of cases) {
      if (signal?.aborted) throw new InterruptedError();
      const prepared = peerCase.prepare(device, seed);
      try {
        await run.add(peerCase, prepared.inputs, await prepared.check());
      } finally {
        prepared.release();
      }
      await device.recorder.synchronize();
    }
    return await run.run(signal);
  } finally {
    await run.remove();
  }
}

/** Sets our time beside PyTorch's answer. */
export function joinAnswer<Type extends 'f32' | 'f16', Ms extends number | null>(
  { name, shape }: Pick<PeerWork, 'name' | 'shape'>,
  ms: Ms,
  dtype: Type,
  answer: TorchResult | undefined,
): ComparedResult & { readonly dtype: Type; readonly ms: Ms } {
  const theirs = answer?.ms ?? null;
  return {
    ...{ name, shape, dtype, ms },
    peers: theirs === null ? {} : { pytorch: theirs },
    ratio: theirs === null || ms === null ? null : theirs / ms,
    peerErrors: typeof answer?.error === 'number' ? { pytorch: answer.error } : {},
    ...(answer?.message !== undefined && { message: `pytorch: ${answer.message}` }),
  };
}

/** The same beside the adapter's ceiling. */
export function joinResult(
  device: Pick<Device, 'capabilities'>,
  peerCase: PeerCase,
  ms: number | null,
  dtype: 'f32' | 'f16',
  answer: TorchResult | undefined,
  ceilings: Pick<Ceilings, 'fma' | 'copy'>,
): PeerResult {
  const { kernel, work, variant } = peerCase;
  const amount = 'flops' in work ? work.flops : work.bytes;
  const ceiling = 'flops' in work ? ceilings.fma.gflops : ceilings.copy.gbps;
  const rate = ms === null ? null : amount / ms / 1e6;
  return {
    ...joinAnswer(peerCase, ms, dtype, answer),
    ...{ kernel, ceiling },
    variant: ms === null ? 'none' : variant(device.capabilities),
    ...(rate !== null && ('flops' in work ? { gflops: rate } : { gbps: rate })),
    ofCeiling: rate === null ? null : rate / ceiling,
  };
}
