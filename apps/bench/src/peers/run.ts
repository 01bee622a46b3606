/** Measures the peer cases here and in PyTorch: results are compared before anything is timed. */
import type { Device } from '@crossgate/gpu';
import type { Ceilings } from '../ceilings/ceilings';
import { InterruptedError } from '../errors';
import { type MeasureOptions, measure } from '../measure';
import type { PeerCase } from './cases';
import { findTorch, type TorchInfo, type TorchResult, TorchRun } from './pytorch';

/** One line of the result: as a kernel's, but ours may be missing. */
export interface PeerResult {
  readonly name: string;
  readonly kernel: string;
  readonly shape: string;
  readonly dtype: 'f32' | 'f16';
  /** `none` where we have no such kernel. */
  readonly variant: string;
  /** Milliseconds of one call on the wall clock, as the peers'; null where we have no such kernel. */
  readonly ms: number | null;
  readonly gflops?: number;
  readonly gbps?: number;
  readonly ceiling: number;
  readonly ofCeiling: number | null;
  readonly peers: Readonly<Record<string, number>>;
  /** ms of the fastest peer divided by ours. */
  readonly ratio: number | null;
  /** Relative error between our f32 result and the peers', in the Euclidean norm. */
  readonly peerErrors: Readonly<Record<string, number>>;
  /** Why a peer has no time. */
  readonly message?: string;
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
  const { seed = 1, signal, onProgress } = options;
  if (cases.length === 0) return { pytorch: { reason: 'no case was chosen' }, results: [] };
  const pytorch = await findTorch(signal);
  let theirs: readonly TorchResult[] = [];
  if ('torch' in pytorch) {
    onProgress?.(`comparing ${cases.length} cases with PyTorch ${pytorch.torch} on ${pytorch.device}`);
    theirs = await askTorch(device, cases, seed, signal);
  }
  const results: PeerResult[] = [];
  for (const peerCase of cases) {
    if (signal?.aborted) throw new InterruptedError('interrupted');
    onProgress?.(`measuring ${peerCase.name} ${peerCase.shape}`);
    const prepared = peerCase.prepare(device, seed);
    try {
      const { milliseconds } = await measure(device, prepared.record, { ...options, clock: 'wall' });
      for (const dtype of peerCase.dtypes) {
        const answer = theirs.find(({ id, dtype: type }) => id === peerCase.id && type === dtype);
        if (dtype !== 'f32' && answer === undefined) continue;
        results.push(joinResult(device, peerCase, dtype === 'f32' ? milliseconds : null, dtype, answer, ceilings));
      }
    } finally {
      prepared.release();
    }
  }
  return { pytorch, results };
}

/** Hands over inputs and our results; nothing else uses the GPU meanwhile. */
async function askTorch(
  device: Device,
  cases: readonly PeerCase[],
  seed: number,
  signal: AbortSignal | undefined,
): Promise<TorchResult[]> {
  const run = await TorchRun.create();
  try {
    for (const peerCase of cases) {
      if (signal?.aborted) throw new InterruptedError('interrupted');
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
export function joinResult(
  device: Pick<Device, 'capabilities'>,
  { name, kernel, shape, work, variant }: PeerCase,
  ms: number | null,
  dtype: 'f32' | 'f16',
  answer: TorchResult | undefined,
  ceilings: Pick<Ceilings, 'fma' | 'copy'>,
): PeerResult {
  const amount = 'flops' in work ? work.flops : work.bytes;
  const ceiling = 'flops' in work ? ceilings.fma.gflops : ceilings.copy.gbps;
  const rate = ms === null ? null : amount / ms / 1e6;
  const theirs = answer?.ms ?? null;
  return {
    ...{ name, kernel, shape, dtype, ms, ceiling },
    variant: ms === null ? 'none' : variant(device.capabilities),
    ...(rate !== null && ('flops' in work ? { gflops: rate } : { gbps: rate })),
    ofCeiling: rate === null ? null : rate / ceiling,
    peers: theirs === null ? {} : { pytorch: theirs },
    ratio: theirs === null || ms === null ? null : theirs / ms,
    peerErrors: typeof answer?.error === 'number' ? { pytorch: answer.error } : {},
    ...(answer?.message !== undefined && { message: `pytorch: ${answer.message}` }),
  };
}
