/**
 * A peer of `crossgate-bench peers` in a process of its own: `peer-worker tfjs|jax-js FOLDER ADAPTER`, where FOLDER has the
 * library in its node_modules, or `peer-worker float64`, the references of our tests.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ArrayFile, PeerHello, PeerRequest, PreparedAnswer, ProblemAnswer, TimedAnswer } from './protocol';
import { openFloat64 } from './worker/float64';
import { openJax } from './worker/jax';
import type { HostValues, Library, PreparedWays, Way } from './worker/library';
import { openTfjs } from './worker/tfjs';

const libraries: Readonly<Record<string, (folder: string, adapter: string | undefined) => Promise<Library>>> = {
  tfjs: openTfjs,
  'jax-js': openJax,
  float64: openFloat64,
};

/** Standard output is for answers alone: what a library prints goes to standard error. */
const write = process.stdout.write.bind(process.stdout);
const say = (answer: object) => write(`${JSON.stringify(answer)}\n`);
process.stdout.write = process.stderr.write.bind(process.stderr);

const describe = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;

async function load(folder: string, { file, shape, dtype }: ArrayFile): Promise<HostValues> {
  const { buffer, byteOffset, byteLength } = await readFile(join(folder, file));
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  return { shape, data: dtype === 'i32' ? new Int32Array(bytes) : new Float32Array(bytes) };
}

/** The case that is prepared, and its ways that work. */
let prepared: PreparedWays | undefined;
let working = new Map<string, Way>();

async function prepare(
  library: Library,
  { folder, op, settings, inputs }: Extract<PeerRequest, { do: 'prepare' }>,
): Promise<PreparedAnswer> {
  drop();
  const loaded: Record<string, HostValues> = {};
  for (const [name, array] of Object.entries(inputs)) loaded[name] = await load(folder, array);
  const ways: Record<string, Record<string, ArrayFile>> = {};
  const failed: Record<string, string> = {};
  prepared = await library.prepare(op, settings, loaded);
  for (const [way, work] of prepared.ways) {
    try {
      const files: Record<string, ArrayFile> = {};
      for (const [name, { shape, data, rows }] of Object.entries(await work.results())) {
        const file = `${process.pid}.${way}.${Object.keys(files).length}.bin`;
        await writeFile(join(folder, file), data);
        files[name] = { file, shape, dtype: data instanceof Float64Array ? 'f64' : 'f32', ...(rows && { rows }) };
      }
      ways[way] = files;
      working.set(way, work);
    } catch (error) {
      failed[way] = describe(error);
    }
  }
  return { ways, failed };
}

async function time({ way, calls }: Extract<PeerRequest, { do: 'time' }>): Promise<TimedAnswer | ProblemAnswer> {
  const work = working.get(way);
  return work === undefined ? { problem: `nothing is prepared as ${way}` } : work.time(calls);
}

function drop(): void {
  prepared?.release();
  prepared = undefined;
  working = new Map();
}

async function answer(library: Library, request: PeerRequest): Promise<object> {
  try {
    if (request.do === 'prepare') return await prepare(library, request);
    if (request.do === 'time') return await time(request);
    drop();
    return {};
  } catch (error) {
    return { problem: describe(error) };
  }
}

async function open(): Promise<Library | { readonly absent: string }> {
  const [name = '', folder = '', adapter] = process.argv.slice(2);
  try {
    return await libraries[name]!(folder, adapter || undefined);
  } catch (error) {
    return { absent: describe(error) };
  }
}

const library = await open();
if ('absent' in library) {
  say(library satisfies PeerHello);
} else {
  const { version, device, ops } = library;
  say({ version, device, ops } satisfies PeerHello);
  for await (const line of createInterface({ input: process.stdin })) {
    say(await answer(library, JSON.parse(line) as PeerRequest));
  }
}
// A GPU driver's threads must not keep the process.
process.exit(0);
