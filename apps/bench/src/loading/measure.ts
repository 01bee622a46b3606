/** Times how a model comes from files to the device, beside a plain read of the same bytes into buffers. */
import { open, stat } from 'node:fs/promises';
import type { Device } from '@crossgate/gpu';
import { LlamaModel, type WeightStorage, weightBytes } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';
import { median } from '../measure';

export interface LoadingResult {
  readonly name: 'loading';
  readonly shape: string;
  /** Types of the stored weights. */
  readonly dtype: string;
  readonly variant: 'model' | 'data set' | 'plain read';
  /** Median milliseconds from opening the files until the device, or for a data set the host, has everything. */
  readonly ms: number;
  /** Median milliseconds of processor time meanwhile, of all threads of the process: less moved by other programs. */
  readonly cpuMs: number;
  /** Stored bytes per nanosecond. */
  readonly gbps: number;
  readonly peers: Readonly<Record<string, number>>;
  /** Time of the plain read over time of this variant: 1 is as fast. */
  readonly ratio: number;
  /**
   * Most host memory that was taken beyond what was there before and what the device holds where that is host memory.
   * In bytes. Null for a data set: the process has taken more for generating it.
   */
  readonly hostBytes: number | null;
}

const chunkBytes = 4 * 2 ** 20;

/**
 * Loads a model, and reads its files plainly, in turns.
 * @param path a folder or GGUF file
 * @param files the files with its weights.
 */
export async function measureLoading(
  device: Device,
  path: string,
  files: readonly string[],
  weights: WeightStorage,
  repeats: number,
): Promise<LoadingResult[]> {
  const bytes = (await Promise.all(files.map(async (file) => (await stat(file)).size))).reduce((a, b) => a + b, 0);
  const opened = await openModel(path);
  const dtypes = [...new Set([...opened.source.tensors.values()].map(({ dtype }) => dtype))].join('+');
  const { config, tensors } = opened.source;
  const onDevice = weightBytes(config, weights, (name) => tensors.get(name)!.dtype);
  await opened.close();
  const load = async () => {
    const model = await openModel(path);
    const llm = await LlamaModel.load(device, model.source, { weights });
    await device.recorder.synchronize();
    await model.close();
    return () => llm.release();
  };
  const plain = async () => {
    const slices = await readIntoBuffers(device, files);
    return () => {
      for (const slice of slices) device.memory.free(slice);
    };
  };
  // Once before, so that both find the files in the system's cache.
  (await plain())();
  const samples = [load, plain].map((): Samples => ({ times: [], cpu: [], host: 0 }));
  for (let round = 0; round < repeats; round++) {
    for (const [index, run] of [load, plain].entries()) {
      const held = index === 0 ? onDevice : bytes;
      const { milliseconds, cpu, hostBytes, release } = await watch(device.capabilities.software ? held : 0, run);
      release();
      const sample = samples[index]!;
      sample.times.push(milliseconds);
      sample.cpu.push(cpu);
      sample.host = Math.max(sample.host ?? 0, hostBytes);
    }
  }
  return resultsOf(
    { shape: `${(bytes / 1e6).toFixed(0)} MB as ${weights}`, dtype: dtypes, variant: 'model', bytes },
    samples,
  );
}

/** What was measured of one way of reading, in milliseconds. */
export interface Samples {
  readonly times: number[];
  readonly cpu: number[];
  /** Most host memory; null where that is not known. */
  host: number | null;
}

/** The results of a way of reading and of the plain read, from samples of either. */
export function resultsOf(
  { shape, dtype, variant, bytes }: Pick<LoadingResult, 'shape' | 'dtype' | 'variant'> & { readonly bytes: number },
  samples: readonly Samples[],
): LoadingResult[] {
  const medians = samples.map(({ times, cpu }) => [times, cpu].map((values) => median(values.sort((a, b) => a - b))));
  return ([variant, 'plain read'] as const).map((name, index) => {
    const [ms = 0, cpuMs = 0] = medians[index]!;
    return {
      ...({ name: 'loading', dtype, peers: {} } as const),
      ...{ shape, variant: name, ms, cpuMs, gbps: bytes / ms / 1e6, ratio: medians[1]![0]! / ms },
      hostBytes: samples[index]!.host,
    };
  });
}

/**
 * Starts a watch; what it returns says how long it has run, and what processor time the process took. In milliseconds.
 */
export function stopwatch(): () => { readonly milliseconds: number; readonly cpu: number } {
  const [start, used] = [performance.now(), process.cpuUsage()];
  return () => {
    const milliseconds = performance.now() - start;
    const { user, system } = process.cpuUsage(used);
    return { milliseconds, cpu: (user + system) / 1e3 };
  };
}

/** Runs something and looks at the memory of the process meanwhile, of which `held` bytes are not counted. */
async function watch(held: number, run: () => Promise<() => void>) {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  const stop = stopwatch();
  try {
    const release = await run();
    const times = stop();
    most = Math.max(most, process.memoryUsage.rss());
    return { release, ...times, hostBytes: Math.max(0, most - before - held) };
  } finally {
    clearInterval(timer);
  }
}

/** The least that loading can be: bytes from files into buffers of the device, a few megabytes at a time. */
async function readIntoBuffers(device: Device, files: readonly string[]) {
  const slices = [];
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (const path of files) {
    const file = await open(path);
    try {
      for (;;) {
        const { bytesRead } = await file.read(chunk, 0, chunkBytes);
        if (bytesRead === 0) break;
        const size = Math.ceil(bytesRead / 4) * 4;
        const slice = device.memory.persistent(size, 'weights');
        slices.push(slice);
        device.recorder.write(slice, chunk.subarray(0, size));
      }
    } finally {
      await file.close();
    }
  }
  await device.recorder.synchronize();
  return slices;
}
