// Preloaded into a program under test: counts its operations on the files of one folder, and in the middle of one of them
// kills the process or lets the disk be full.
//
// FAIL_IN     the folder; operations elsewhere are not counted
// FAIL_AT     number of the operation (from 1) that fails; 0 none
// FAIL_WITH   SIGKILL (default), or ENOSPC: this operation and all later ones that need room fail so
// FAIL_TRACE  file that every operation is written to as it begins: the last line is what was being done
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, relative } from 'node:path';

const folder = process.env.FAIL_IN ?? '';
const at = Number(process.env.FAIL_AT ?? 0);
const signal = process.env.FAIL_WITH ?? 'SIGKILL';
const trace = process.env.FAIL_TRACE ?? '';
const original = { writeSync: fs.writeSync, openSync: fs.openSync, closeSync: fs.closeSync };
const traceFile = trace === '' ? -1 : original.openSync(trace, 'a');
let count = 0;
/** @type {Map<number, string>} */
const paths = new Map();

/** `checkpoints/.last-a.safetensors.12-ab.partial` as `checkpoints/last-a.safetensors`. */
function nameOf(/** @type {string} */ path) {
  const name = basename(path)
    .replace(/^\.+(.+?)\.\d+-[0-9a-f]+\.partial.*$/, '$1')
    .replace(/\.\d{10}\./, '.');
  return relative(folder, path).slice(0, -basename(path).length) + name;
}

/**
 * Counts an operation. When it is the one, `half` does a part of it and the process ends.
 * @param {string} what @param {unknown} path @param {() => void} [half]
 */
function point(what, path, half) {
  if (typeof path !== 'string' || !path.startsWith(folder)) return;
  count++;
  if (traceFile >= 0) original.writeSync(traceFile, `${what} ${nameOf(path)}\n`);
  if (at === 0 || count < at) return;
  if (signal === 'SIGKILL') {
    if (count > at) return;
    half?.();
    process.kill(process.pid, 'SIGKILL');
  }
  if (what === 'remove') return;
  if (count === at) half?.();
  // As the system's: the failure of a write does not name the file.
  throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
}

/** @param {fs.promises.FileHandle} handle @param {string} path */
function watchHandle(handle, path) {
  const { write, writeFile, sync } = handle;
  /** @param {any} data */
  const bytesOf = (data) => (typeof data === 'string' ? Buffer.from(data) : data);
  const half = (/** @type {any} */ data) => () => {
    original.writeSync(handle.fd, data, 0, Math.floor(data.length / 2));
  };
  handle.write = /** @type {any} */ (
    async (/** @type {any} */ data, /** @type {any[]} */ ...rest) => {
      point('write', path, half(bytesOf(data)));
      return Reflect.apply(write, handle, [data, ...rest]);
    }
  );
  handle.writeFile = /** @type {any} */ (
    async (/** @type {any} */ data, /** @type {any[]} */ ...rest) => {
      point('write', path, half(bytesOf(data)));
      return Reflect.apply(writeFile, handle, [data, ...rest]);
    }
  );
  handle.sync = async () => {
    point('sync', path);
    return sync.call(handle);
  };
  return handle;
}

const { open, rename, link, rm } = fs.promises;
fs.promises.open = async (path, flags, mode) => {
  if (flags === 'wx' || flags === 'w') point('create', path);
  return watchHandle(await open(path, flags, mode), String(path));
};
fs.promises.rename = async (from, to) => {
  point('rename to', to);
  return rename(from, to);
};
fs.promises.link = async (from, to) => {
  point('link to', to);
  return link(from, to);
};
fs.promises.rm = async (path, options) => {
  point('remove', path);
  return rm(path, options);
};
fs.openSync = (path, flags, mode) => {
  const file = original.openSync(path, flags, mode);
  paths.set(file, String(path));
  return file;
};
fs.closeSync = (file) => {
  paths.delete(file);
  original.closeSync(file);
};
fs.writeSync = /** @type {any} */ (
  (/** @type {number} */ file, /** @type {any} */ data, /** @type {any[]} */ ...rest) => {
    const half = () => original.writeSync(file, data, 0, Math.floor(data.length / 2), rest[2] ?? null);
    point('append to', paths.get(file), half);
    return Reflect.apply(original.writeSync, fs, [file, data, ...rest]);
  }
);
syncBuiltinESMExports();
