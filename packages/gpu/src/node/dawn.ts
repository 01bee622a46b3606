/** Loads Dawn's add-on when the first GPU is asked for, so that everything else works where it does not load. */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { NoAdapterError } from '../errors';

/** The npm package that carries the add-on. */
type Dawn = typeof import('webgpu');

const PACKAGE = 'webgpu';
const AGAIN = 'delete node_modules and install again';

/** The machine as far as an add-on depends on it. */
export interface AddOnMachine {
  readonly platform: string;
  readonly arch: string;
  /** Whether the C library is glibc, which the add-on for Linux is made for. */
  readonly glibc: boolean;
}

/** What is wrong with an add-on that does not load, and what to do. */
export interface AddOnProblem {
  readonly problem: string;
  readonly fix: string;
}

/** Loads the add-on. @throws NoAdapterError with the loader's reason and what to do */
export async function loadDawn(): Promise<Dawn> {
  let reason: string | undefined;
  try {
    // A damaged file may end the process when it is loaded: it is looked at before.
    const folder = packageFolder();
    reason = folder && unreadable(folder, process);
    if (reason === undefined) {
      const dawn: Dawn = await import('webgpu');
      Object.assign(globalThis, dawn.globals);
      return dawn;
    }
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  const { problem, fix } = explainAddOn(reason, describeMachine());
  throw new NoAdapterError(problem, { code: 'gpu.addon', fix });
}

/** Where the package lies; undefined where it is found in another way than packages are, as bundlers may arrange it. */
function packageFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(PACKAGE));
  } catch {
    return undefined;
  }
}

function describeMachine(): AddOnMachine {
  const { platform, arch } = process;
  const { header } = (process.report?.getReport() ?? {}) as { header?: { glibcVersionRuntime?: string } };
  return { platform, arch, glibc: platform !== 'linux' || header?.glibcVersionRuntime !== undefined };
}

/** The loader's reason in a sentence, with the remedy for its kind. */
export function explainAddOn(reason: string, { platform, arch, glibc }: AddOnMachine): AddOnProblem {
  const [words = ''] = reason.split('\n');
  const problem = `no usable GPU: Dawn's add-on does not load on ${platform}-${arch}: ${words.trim()}`;
  if (platform === 'linux' && !glibc) {
    return {
      problem,
      fix: "it is made for glibc: use Debian's, Ubuntu's or Fedora's, such as the image node:20-bookworm",
    };
  }
  if (/GLIBC(XX)?_[\d.]+' not found/.test(words)) {
    return {
      problem,
      fix: 'it needs glibc 2.34 and the C++ library of GCC 12 or newer, as Debian 12 and Ubuntu 22.04 have them',
    };
  }
  if (words.startsWith(NONE_FOR)) return { problem, fix: 'use a machine that it is made for' };
  return { problem, fix: `the package ${PACKAGE} is damaged or incomplete: ${AGAIN}` };
}

const NONE_FOR = 'there is none for it';

/**
 * Why the add-on of a package cannot be loaded, as far as its files show it; undefined where only loading can tell.
 * @param folder the package's
 */
export function unreadable(
  folder: string,
  { platform, arch }: Pick<AddOnMachine, 'platform' | 'arch'>,
): string | undefined {
  const name = `${platform}-${platform === 'darwin' ? 'universal' : arch}`;
  const path = join(folder, 'dist', name, 'dawn.node');
  if (existsSync(path)) return cutShort(path) ? `${path}: the file is cut short` : undefined;
  const made = existsSync(join(folder, 'dist')) ? readdirSync(join(folder, 'dist')).sort() : [];
  return made.length === 0 || made.includes(name)
    ? `${path}: no such file`
    : `${NONE_FOR}, only for ${made.join(', ')}`;
}

/** Whether an ELF file of 64 bits ends before its table of sections does, which linkers put last. */
function cutShort(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(64);
    const read = readSync(file, header, 0, header.length, 0);
    if (read < header.length) return true;
    const isElf = header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1;
    if (!isElf) return false;
    const end = header.readBigUInt64LE(40) + BigInt(header.readUInt16LE(58) * header.readUInt16LE(60));
    return BigInt(fstatSync(file).size) < end;
  } finally {
    closeSync(file);
  }
}
