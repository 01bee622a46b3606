/** Files that somebody picked or dropped, as the data sets read them. */
import { InputError } from '@crossgate/core';
import type { SourceFolder } from '@crossgate/data';

/** Files of a page as a source folder; each has a name of its own there. */
export function sourceOf(files: Readonly<Record<string, File | null>>): SourceFolder {
  return {
    name: 'this page',
    has: async (name) => Boolean(files[name]),
    async open(name) {
      const file = files[name];
      if (!file) throw new InputError(`no file ${name}`, { code: 'data.not-found' });
      return pieces(file);
    },
  };
}

/** The bytes of a file, in chunks; not every browser iterates over a stream. */
async function* pieces(file: File): AsyncGenerator<Uint8Array> {
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
