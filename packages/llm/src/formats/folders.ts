/** Folders of files that no disk of this program has: behind HTTP, or picked or dropped in a browser. */
import { blobSource, type HttpOptions, httpHas, httpSource, InputError } from '@crossgate/tensor';
import { type ModelFolder, shardsByIndex } from './hugging-face';

/** How a folder behind HTTP is read. */
export interface HttpFolderOptions extends Omit<HttpOptions, 'name' | 'onProgress'> {
  /** Names of its files; servers do not list. Default: those of {@link usualFiles} that are there, and their shards. */
  readonly files?: readonly string[] | undefined;
  /** Called as a file is fetched as a whole, with the bytes so far and all, or 0 where the server does not say. */
  readonly onProgress?: ((file: string, loaded: number, total: number) => void) | undefined;
}

/** The files of model folders that are looked for behind HTTP. */
export const usualFiles: readonly string[] = [
  ...['config.json', 'generation_config.json', 'model.safetensors', 'model.safetensors.index.json'],
  ...['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'tokenizer.model', 'added_tokens.json'],
];

const indexFile = 'model.safetensors.index.json';

/**
 * A folder behind HTTP, such as `https://huggingface.co/ORG/NAME/resolve/main`: files are read in ranges, or with `cache`
 * fetched once and kept by the browser. Nothing is asked before a file is.
 *
 * @param url of the folder, absolute or relative to the page
 */
export function httpFolder(url: string, options: HttpFolderOptions = {}): ModelFolder {
  const { files, onProgress, ...http } = options;
  const [, base = '', query = ''] = /^([^?#]*?)\/*(\?[^#]*)?(?:#.*)?$/.exec(url) ?? [];
  const addressOf = (file: string) => `${base}/${file.split('/').map(encodeURIComponent).join('/')}${query}`;
  const find = async (): Promise<readonly string[]> => {
    const there = await Promise.all(usualFiles.map((file) => httpHas(addressOf(file), http)));
    const found = usualFiles.filter((_, index) => there[index]);
    if (!found.includes(indexFile) || found.includes('model.safetensors')) return found;
    return [...found, ...(await shardsByIndex(folder, indexFile)).keys()];
  };
  let listed: Promise<readonly string[]> | undefined;
  const folder: ModelFolder = {
    name: base,
    async list() {
      listed ??= files ? Promise.resolve(files) : find();
      // After a failure, the next call looks again.
      listed.catch(() => {
        listed = undefined;
      });
      return listed;
    },
    open: (file) =>
      httpSource(addressOf(file), {
        ...http,
        name: `${base}/${file}`,
        ...(onProgress && { onProgress: (loaded, total) => onProgress(file, loaded, total) }),
      }),
  };
  return folder;
}

/**
 * A folder of files that somebody picked or dropped in a browser.
 *
 * @param name for messages
 * @param files by their paths in the folder, with `/`
 */
export function blobFolder(name: string, files: ReadonlyMap<string, Blob>): ModelFolder {
  return {
    name,
    list: async () => [...files.keys()],
    async open(file) {
      const blob = files.get(file);
      if (blob) return blobSource(`${name}/${file}`, blob);
      throw new InputError('there is no such file.', { code: 'model.missing-file', place: `${name}/${file}` });
    },
  };
}

/** A folder inside one whose names are paths. @param path of it, such as `adapter` */
export function subfolder(folder: ModelFolder, path: string): ModelFolder {
  const prefix = `${path}/`;
  return {
    name: `${folder.name}/${path}`,
    list: async () =>
      (await folder.list()).flatMap((file) => (file.startsWith(prefix) ? [file.slice(prefix.length)] : [])),
    open: (file) => folder.open(`${prefix}${file}`),
  };
}
