/** What a file is that should hold a model and does not, in words that say what to do. */
import { type ByteSource, InputError } from '@crossgate/tensor';

/** Extensions of files that Python's pickle made. */
const pickled = /\.(bin|pt|pth|ckpt)$/;

/** The first name of a list that is a PyTorch pickle. */
export function findPickle(names: readonly string[]): string | undefined {
  return names.find((name) => pickled.test(name));
}

/**
 * Why a pickle is refused and how to convert it, to stand behind its name.
 * @param model what Python's `from_pretrained` gets
 */
export function pickleAdvice(model = 'FOLDER'): string {
  return (
    'a PyTorch pickle, which can run code when loaded and is not read; convert it once in Python: ' +
    `AutoModelForCausalLM.from_pretrained("${model}").save_pretrained(OUT, safe_serialization=True), ` +
    `and its tokenizer: AutoTokenizer.from_pretrained("${model}").save_pretrained(OUT).`
  );
}

/** First bytes of files of other kinds, as Latin-1, and what they are. */
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

/** What a file is by its first bytes, if anything that is known; to stand behind "… is". */
export async function describeContent(file: ByteSource): Promise<string | undefined> {
  const bytes = await file.read(0, Math.min(64, file.size));
  const text = String.fromCharCode(...bytes);
  return beginnings.find(([pattern]) => pattern.test(text))?.[1];
}

/** What a file is that is no GGUF file, by its first bytes and its name. */
export async function describeOther(file: ByteSource): Promise<string> {
  const content = await describeContent(file);
  if (content !== undefined) return content;
  if (findPickle([file.name]) !== undefined) return pickleAdvice();
  if (file.name.endsWith('.safetensors')) return 'one file of a model; give the folder that holds it and config.json.';
  return 'no GGUF file: it does not begin with "GGUF".';
}

/**
 * Passes on what reading a file gives; where it fails on a file of another kind, the error says what that is.
 * @throws {InputError} as `read`, or naming the file and what it is
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
