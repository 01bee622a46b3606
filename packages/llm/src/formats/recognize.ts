/** Says what a file is that should be a model but is not, and what to do about it. */
import { type ByteSource, InputError } from '@crossgate/tensor';

/** Extensions of files that Python's pickle wrote. */
const pickled = /\.(bin|pt|pth|ckpt)$/;

/** The first name of a list that is a PyTorch pickle; undefined if there is none. */
export function findPickle(names: readonly string[]): string | undefined {
  return names.find((name) => pickled.test(name));
}

/**
 * Why a pickle is refused and how to convert it; to follow "NAME is" in a message.
 *
 * @param model argument of Python's `from_pretrained`.
 */
export function pickleAdvice(model = 'FOLDER'): string {
  return (
    'a PyTorch pickle, which can run code when loaded and is not read; convert it once in Python: ' +
    `AutoModelForCausalLM.from_pretrained("${model}").save_pretrained(OUT, safe_serialization=True), ` +
    `and its tokenizer: AutoTokenizer.from_pretrained("${model}").save_pretrained(OUT).`
  );
}

/** First bytes of other kinds of files, as Latin-1, and what these files are. */
const beginnings: readonly (readonly [RegExp, string])[] = [
  [
    /^version https:\/\/git-lfs/,
    'a pointer of Git LFS instead of the file itself; fetch the file with `git lfs pull`, or download it again.',
  ],
  [/^\s*<(!doctype|html)/i, 'a web page instead of the file itself; take the address of its download.'],
  [/^(lmgg|fmgg|tjgg|algg)/, 'a file of llama.cpp from before GGUF; convert the model anew, or download it as GGUF.'],
  // A zip archive, as torch.save writes it.
  [/^PK\p{Cc}{2}/u, pickleAdvice()],
];

/** What a file is by its first bytes, to follow "NAME is" in a message; undefined if they are not known. */
export async function describeContent(file: ByteSource): Promise<string | undefined> {
  const bytes = await file.read(0, Math.min(64, file.size));
  const text = String.fromCharCode(...bytes);
  return beginnings.find(([pattern]) => pattern.test(text))?.[1];
}

/** What a file that is not GGUF is, by its first bytes and its name. */
export async function describeOther(file: ByteSource): Promise<string> {
  const content = await describeContent(file);
  if (content !== undefined) return content;
  if (findPickle([file.name]) !== undefined) return pickleAdvice();
  if (file.name.endsWith('.safetensors')) return 'one file of a model; give the folder that holds it and config.json.';
  return 'no GGUF file: it does not begin with "GGUF".';
}

/**
 * Returns what `read` reads from a file. If it fails because the file is of another kind, the error says what it is.
 *
 * @throws {InputError} as `read` does, or naming the file and what it is
 */
export async function orDescribed<T>(file: ByteSource, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const content = error instanceof InputError ? await describeContent(file) : undefined;
    if (content === undefined) throw error;
    throw new InputError(`${file.name} is ${content}`, { code: 'model.unsupported' });
  }
}
