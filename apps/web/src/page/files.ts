/** Files and folders that somebody drops or picks. */

/** Takes the files of a field, so that the same ones can be chosen again, say after a change. */
export function takeFiles(field: HTMLInputElement): File[] {
  const files = [...(field.files ?? [])];
  field.value = '';
  return files;
}

/** The files of a field for a folder, by their paths in that folder. */
export function pickedFolder(files: readonly File[]): { name: string; files: Map<string, File> } {
  const [name = 'folder'] = (files[0]?.webkitRelativePath ?? '').split('/');
  return { name, files: new Map(files.map((file) => [file.webkitRelativePath.split('/').slice(1).join('/'), file])) };
}

/** A folder with its files by their paths, or a single file under its name. */
export interface Dropped {
  readonly name: string;
  readonly isFolder: boolean;
  readonly files: ReadonlyMap<string, File>;
}

/** Brings a place to life that takes what is dropped on it. */
export function dropZone(zone: HTMLElement, take: (dropped: readonly Dropped[]) => void): void {
  const mark = (over: boolean) => zone.classList.toggle('over', over);
  zone.addEventListener('dragover', (event) => {
    event.preventDefault();
    mark(true);
  });
  zone.addEventListener('dragleave', () => mark(false));
  zone.addEventListener('drop', async (event) => {
    event.preventDefault();
    mark(false);
    // Entries have to be asked for before anything is waited for.
    const entries = [...(event.dataTransfer?.items ?? [])].flatMap((item) => item.webkitGetAsEntry() ?? []);
    take(await Promise.all(entries.map(readEntry)));
  });
}

async function readEntry(entry: FileSystemEntry): Promise<Dropped> {
  const files = new Map<string, File>();
  await collect(entry, entry.isDirectory ? '' : entry.name, files);
  return { name: entry.name, isFolder: entry.isDirectory, files };
}

async function collect(entry: FileSystemEntry, path: string, files: Map<string, File>): Promise<void> {
  if (entry.isFile) {
    files.set(path, await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // Each call gives a part; an empty one is the end.
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return;
    for (const child of part) await collect(child, path === '' ? child.name : `${path}/${child.name}`, files);
  }
}
