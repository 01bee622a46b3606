/** What config.json says of weights that were quantized, by us or by other programs. */
import { InputError } from '@crossgate/tensor';
import { isOff, isRecord } from './key-reader';

/** What config.json calls the quantization of `encodeWeights`. */
export const quantizationMethod = 'crossgate';

/** Values of a block, with one scale, in what we write. */
export const quantizationBlock = 32;

/** Where programs write how they quantized weights. */
export const quantizationKeys = ['quantization_config', 'compression_config', 'quantization'] as const;

/** A method that is not ours, and the key that names it. */
export interface ForeignQuantization {
  readonly key: string;
  readonly method: string;
}

/**
 * The method that a config.json says its weights were quantized by.
 * @returns undefined where there is none, or ours
 * @throws InputError for our own method with blocks of another size
 */
export function foreignQuantization(json: unknown, source: string): ForeignQuantization | undefined {
  if (!isRecord(json)) return undefined;
  for (const key of quantizationKeys) {
    const value = json[key];
    if (isOff(value)) continue;
    const settings = isRecord(value) ? value : {};
    const { quant_method: named, block_size: block = quantizationBlock } = settings;
    if (named === quantizationMethod) {
      if (block === quantizationBlock) continue;
      throw new InputError(`${key} has blocks of ${JSON.stringify(block)}; ${quantizationBlock} is supported.`, {
        code: 'model.unsupported',
        place: source,
      });
    }
    const method =
      typeof named === 'string'
        ? named
        : settings.load_in_4bit === true || settings.load_in_8bit === true
          ? 'bitsandbytes'
          : key === 'quantization' || (isRecord(json.quantization) && named === undefined)
            ? 'mlx'
            : 'unknown';
    return { key, method };
  }
  return undefined;
}

/** Refuses weights that another program quantized. @param found a tensor that shows it, where one was looked at */
export function refuseQuantized({ key, method }: ForeignQuantization, source: string, found?: string): never {
  throw new InputError(
    `${key} says that the weights are quantized, method ${method}${found === undefined ? '' : `, and ${found} shows it`}; ` +
      'such weights are not read',
    {
      code: 'model.unsupported',
      place: source,
      fix:
        'take the model that it was made from (F32, F16 or BF16) or a GGUF file of it; or, in Python, where transformers reads it: ' +
        'model.dequantize().save_pretrained(OUT). `crossgate model quantize` makes weights of few bits that are read.',
    },
  );
}
