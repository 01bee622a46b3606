/** Compares our results with those of peers and of float64 references, and only then measures all of them in turns. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InterruptedError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import type { Ceilings } from '../ceilings/ceilings';
import type { MeasureOptions } from '../measure';
import { compareFiles, relativeError, tolerances, writeArrays } from './arrays';
import { interleave, type Participant, type Summary, summarize, type Turns } from './interleave';
import type { Peer, PeerStatus } from './peer';
import { PeerProblem } from './process';
import type { ArrayFiles } from './protocol';
import { startTimer } from './timer';
import type { HostArray, PeerCase, PeerWork, PreparedCase, PreparedWork } from './work';

/** Our time of some work beside the peers'. */
export interface ComparedResult {
  readonly name: string;
  readonly shape: string;
  readonly dtype: 'f32' | 'f16';
  /** Median milliseconds of one call on the wall clock, as the peers'; null where we have none of this type. */
  readonly ms: number | null;
  /** Median milliseconds by peer, of its fastest way. */
  readonly peers: Readonly<Record<string, number>>;
  /** The fastest WebGPU peer's time over ours; null without one. */
  readonly ratio: number | null;
  /** The same by the fastest round of each, which a busy machine disturbs least. */
  readonly fastestRatio: number | null;
  /** The same by processor time in all threads: on a software adapter, what a busy machine does not change. */
  readonly processorRatio: number | null;
  /** Each peer's time over ours. */
  readonly ratios: Readonly<Record<string, number>>;
  /** Fastest round and processor time of a call in milliseconds: ours, and each peer's. */
  readonly details: Readonly<Record<string, Summary>>;
  /** The way that was fastest, by peer: `eager` (one operation after the other), `jit` (compiled as a whole). */
  readonly ways: Readonly<Record<string, string>>;
  /** Relative error between our f32 result and the peers', in the Euclidean norm. */
  readonly peerErrors: Readonly<Record<string, number>>;
  /** The same between our f32 result and the float64 reference; null where there is no reference. */
  readonly referenceError: number | null;
  /** A call in each round, in order, on the wall clock and the processor: ours, and each way of each peer. */
  readonly rounds: Turns['rounds'];
  /** Why ours or a peer has no time, and why ours was not checked. */
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

/** The peers, and a line for each case and type. */
export interface PeersReport {
  readonly peers: readonly PeerStatus[];
  readonly results: readonly PeerResult[];
}

export interface CompareOptions extends Pick<MeasureOptions, 'repeats' | 'batchMilliseconds'> {
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (text: string) => void;
}

/** Whom ours is compared with: peers, and the references, which are not timed. */
export interface Others {
  readonly peers: readonly Peer[];
  readonly reference?: Peer | undefined;
}

/** Cases whose name, kernel or shape contains `filter` (letter case ignored). */
export function selectPeerCases(cases: readonly PeerCase[], filter: string | undefined): PeerCase[] {
  const wanted = filter?.toLowerCase() ?? '';
  return cases.filter(({ name, kernel, shape }) =>
    [name, kernel, shape].some((text) => text.toLowerCase().includes(wanted)),
  );
}

/** Compares and measures. Without peers our own times stand alone. */
export async function runPeerCases(
  device: Device,
  cases: readonly PeerCase[],
  { peers, reference }: Others,
  ceilings: Pick<Ceilings, 'fma' | 'copy'>,
  options: CompareOptions = {},
): Promise<PeersReport> {
  const statuses: PeerStatus[] = [];
  try {
    for (const peer of cases.length === 0 ? [] : peers) {
      options.onProgress?.(`starting ${peer.name}`);
      statuses.push(await peer.open());
    }
    if (cases.length > 0) await reference?.open();
    const others = { peers: peers.filter(({ present }) => present), reference };
    const results: PeerResult[] = [];
    for (const each of cases) {
      options.onProgress?.(`measuring ${each.name} ${each.shape}`);
      const compared = await compareWork(device, each, others, ours, options);
      results.push(...compared.map((result) => besideCeiling(device, each, result, ceilings)));
    }
    return { peers: statuses, results };
  } finally {
    for (const peer of peers) peer.close();
    reference?.close();
  }

  function ours({ record, halves }: PreparedCase, dtype: 'f32' | 'f16'): Participant {
    const call = dtype === 'f32' ? record : halves!.record;
    const time = async (calls: number) => {
      const timer = startTimer();
      for (let i = 0; i < calls; i++) call();
      await device.recorder.synchronize();
      return timer();
    };
    return { name: 'ours', time };
  }
}

/**
 * One case, in every type that somebody has: inputs go to the peers as files, their results are compared with ours, and
 * those that agree are timed in turns with ours. Nobody is timed when ours differs from the reference.
 *
 * @param participant ours as it is timed; in f16 only where the prepared work has halves, and these agree with ours in f32
 */
export async function compareWork<Prepared extends PreparedWork>(
  device: Device,
  work: PeerWork<Prepared>,
  { peers, reference }: Others,
  participant: (prepared: Prepared, dtype: 'f32' | 'f16') => Participant,
  options: CompareOptions = {},
): Promise<ComparedResult[]> {
  const { signal, seed = 1 } = options;
  if (signal?.aborted) throw new InterruptedError();
  const folder = await mkdtemp(join(tmpdir(), 'crossgate-peers-'));
  let prepared: Prepared | undefined;
  try {
    prepared = work.prepare(device, seed);
    const expected = await prepared.check();
    const inputs = await writeArrays(folder, 'in', prepared.inputs);
    const request = { folder, op: work.op, settings: work.settings, inputs };
    const checked = reference && (await checkOurs(reference, request, expected));
    const results: ComparedResult[] = [];
    for (const dtype of work.dtypes) {
      const asked = dtype === 'f32' ? peers : peers.filter(({ options: { halves } }) => halves);
      const { halves } = prepared;
      if (dtype === 'f16' && asked.length === 0 && !halves) continue;
      const problems: Record<string, string> = {
        ...(checked?.problem !== undefined && { ours: checked.problem }),
        ...(checked?.unchecked !== undefined && { float64: checked.unchecked }),
      };
      const errors: Record<string, number> = {};
      const participants: Participant[] = dtype === 'f32' ? [participant(prepared, dtype)] : [];
      if (checked?.problem === undefined) {
        if (dtype === 'f16' && halves) {
          const problem = problemOfHalves(await halves.check(), expected);
          if (problem === undefined) participants.push(participant(prepared, dtype));
          else problems.ours = problem;
        }
        for (const peer of asked) {
          participants.push(...(await agreeing(peer, { ...request, dtype }, expected, errors, problems)));
        }
      }
      const turns = await interleave(checked?.problem === undefined ? participants : [], options, signal);
      for (const peer of asked) await peer.drop();
      const referenceError = checked?.error ?? null;
      results.push(joinResult(work, dtype, asked, { ...turns, errors, problems, referenceError }));
    }
    return results;
  } finally {
    try {
      prepared?.release();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

type Request = Parameters<Peer['prepare']>[0];

/** What the float64 reference says of ours. */
interface Checked {
  readonly error: number | null;
  /** What is wrong with ours. */
  readonly problem?: string;
  /** Why the reference said nothing. */
  readonly unchecked?: string;
}

/** Compares ours with the float64 reference, where the case has one. */
async function checkOurs(
  reference: Peer,
  request: Omit<Request, 'dtype'>,
  expected: Readonly<Record<string, HostArray>>,
): Promise<Checked> {
  if ('reason' in reference.status) return { error: null, unchecked: reference.status.reason };
  if (!reference.does(request.op)) return { error: null };
  try {
    const { ways, failed } = await reference.prepare({ ...request, dtype: 'f32' });
    await reference.drop();
    if (ways.float64 === undefined) return { error: null, unchecked: failed?.float64 ?? 'gives no result' };
    const error = await compareFiles(request.folder, ways.float64, expected);
    return { error, ...(error <= tolerances.f32 ? {} : { problem: differs('float64', error, tolerances.f32) }) };
  } catch (error) {
    if (!(error instanceof PeerProblem)) throw error;
    return { error: null, unchecked: error.message };
  }
}

const differs = (from: string, error: number, tolerance: number) =>
  `differs from ${from}: relative error ${error.toPrecision(3)}, at most ${tolerance}`;

/** What is wrong with our results in halves, beside ours in f32. */
function problemOfHalves(
  actual: Readonly<Record<string, HostArray>>,
  expected: Readonly<Record<string, HostArray>>,
): string | undefined {
  const errors = Object.entries(expected).map(([name, { data }]) => relativeError(actual[name]!.data, data));
  const wrong = errors.find((error) => !(error <= tolerances.f16));
  return wrong === undefined ? undefined : differs('ours in f32', wrong, tolerances.f16);
}

/** Lets a peer do the case. @returns its ways whose results agree with ours; what is wrong goes to `problems` */
async function agreeing(
  peer: Peer,
  request: Request,
  expected: Readonly<Record<string, HostArray>>,
  errors: Record<string, number>,
  problems: Record<string, string>,
): Promise<Participant[]> {
  if (!peer.does(request.op)) {
    problems[peer.name] = `has no ${request.op} here`;
    return [];
  }
  try {
    const { ways, failed = {} } = await peer.prepare(request);
    for (const [way, problem] of Object.entries(failed)) problems[`${peer.name} ${way}`] = problem;
    const good: Participant[] = [];
    for (const [way, files] of Object.entries(ways)) {
      const problem = await problemOf(request.folder, files, expected, request.dtype, (error) => {
        errors[peer.name] = Math.max(error, errors[peer.name] ?? 0);
      });
      if (problem !== undefined) problems[`${peer.name} ${way}`] = problem;
      else good.push({ name: `${peer.name} ${way}`, time: (calls) => peer.time(way, calls) });
    }
    return good;
  } catch (error) {
    if (!(error instanceof PeerProblem)) throw error;
    problems[peer.name] = error.message;
    return [];
  }
}

async function problemOf(
  folder: string,
  files: ArrayFiles,
  expected: Readonly<Record<string, HostArray>>,
  dtype: 'f32' | 'f16',
  onError: (error: number) => void,
): Promise<string | undefined> {
  try {
    const error = await compareFiles(folder, files, expected);
    if (Number.isFinite(error)) onError(error);
    return error <= tolerances[dtype] ? undefined : differs('ours', error, tolerances[dtype]);
  } catch (error) {
    if (error instanceof PeerProblem) return error.message;
    throw error;
  }
}

/** Everything that is known of a case in one type. */
export interface Findings extends Turns {
  readonly errors: Readonly<Record<string, number>>;
  readonly problems: Readonly<Record<string, string>>;
  readonly referenceError: number | null;
}

/** The medians of ours and of each peer's fastest way, and the ratios. */
export function joinResult<Type extends 'f32' | 'f16'>(
  { name, shape }: Pick<PeerWork, 'name' | 'shape'>,
  dtype: Type,
  asked: readonly Pick<Peer, 'name' | 'options'>[],
  { rounds, failed, errors, problems, referenceError }: Findings,
): ComparedResult & { readonly dtype: Type } {
  const ours = summarize(rounds.ours);
  const details: Record<string, Summary> = ours ? { ours } : {};
  const ways: Record<string, string> = {};
  for (const peer of asked) {
    for (const [participant, samples] of Object.entries(rounds)) {
      const summary = summarize(samples);
      if (!participant.startsWith(`${peer.name} `) || summary === undefined) continue;
      if (summary.ms >= (details[peer.name]?.ms ?? Number.POSITIVE_INFINITY)) continue;
      details[peer.name] = summary;
      ways[peer.name] = participant.slice(peer.name.length + 1);
    }
  }
  const timed = asked.filter((peer) => peer.name in details);
  const webgpu = timed.filter(({ options }) => options.webgpu);
  const ratio = (key: keyof Summary) =>
    ours && webgpu.length > 0 ? Math.min(...webgpu.map((peer) => details[peer.name]![key])) / ours[key] : null;
  const said = Object.entries({ ...problems, ...failed }).map(([who, problem]) => `${who}: ${problem}`);
  return {
    ...{ name, shape, dtype, ms: ours?.ms ?? null },
    peers: Object.fromEntries(timed.map((peer) => [peer.name, details[peer.name]!.ms])),
    ...{ ratio: ratio('ms'), fastestRatio: ratio('fastest'), processorRatio: ratio('processor') },
    ratios: Object.fromEntries(ours ? timed.map((peer) => [peer.name, details[peer.name]!.ms / ours.ms]) : []),
    ...{ details, ways, peerErrors: errors, referenceError, rounds },
    ...(said.length > 0 && { message: said.join('; ') }),
  };
}

/** The same beside the adapter's ceiling. */
export function besideCeiling(
  { capabilities }: Pick<Device, 'capabilities'>,
  { kernel, work, variant }: PeerCase,
  result: ComparedResult,
  ceilings: Pick<Ceilings, 'fma' | 'copy'>,
): PeerResult {
  const { ms } = result;
  const amount = 'flops' in work ? work.flops : work.bytes;
  const ceiling = 'flops' in work ? ceilings.fma.gflops : ceilings.copy.gbps;
  const rate = ms === null ? null : amount / ms / 1e6;
  return {
    ...{ ...result, kernel, ceiling },
    variant: ms === null ? 'none' : variant(capabilities, result.dtype),
    ...(rate !== null && ('flops' in work ? { gflops: rate } : { gbps: rate })),
    ofCeiling: rate === null ? null : rate / ceiling,
  };
}
