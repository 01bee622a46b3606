/**
 * Reads tokenizer.model, SentencePiece's own file, which LLaMA, Vicuna and Mistral have: a message of protocol buffers.
 */
import { InputError, quoted } from '@crossgate/tensor';

/** A vocabulary of pieces with scores. */
export interface SentencePieceModel {
  /** The pieces by id. */
  readonly pieces: readonly string[];
  /** [pieces] score of each piece. Of two merges, the one with the higher score goes first. */
  readonly scores: readonly number[];
  /** [pieces] type of each piece: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte, as in GGUF. */
  readonly types: readonly number[];
  /** Whether a text gets a space before it. */
  readonly dummyPrefix: boolean;
  /** Id of the piece for unknown text; null if there is none. */
  readonly unknown: number | null;
  /** Id of the beginning-of-text piece; null if there is none. */
  readonly bos: number | null;
  /** Id of the end-of-text piece; null if there is none. */
  readonly eos: number | null;
}

/** A field of a message: a whole number, four or eight bytes, or bytes of any length. */
interface Field {
  readonly number: number;
  readonly value: bigint;
  readonly bytes: Uint8Array;
}

/**
 * Parses a model of byte-pair encoding, the kind that the LLaMA family uses.
 *
 * @param source name of the file in messages.
 * @throws {InputError} for damaged files, and for kinds of models and of normalization that are not supported.
 */
export function parseSentencePiece(file: Uint8Array, source: string): SentencePieceModel {
  const fail = (problem: string): never => {
    throw new InputError(problem, { code: 'tokenizer.invalid', place: source });
  };
  const damaged = (): never => fail('it is no SentencePiece model, or it is damaged or cut off.');
  const text = new TextDecoder('utf-8', { ignoreBOM: true });
  const [pieces, scores, types]: [string[], number[], number[]] = [[], [], []];
  const trainer = new Map<number, bigint>();
  const normalizer = new Map<number, bigint>();
  let charsmap = 0;
  for (const { number, bytes } of fieldsOf(file, damaged)) {
    if (number === 1) {
      let [piece, score, type] = ['', 0, 1];
      for (const field of fieldsOf(bytes, damaged)) {
        if (field.number === 1) piece = text.decode(field.bytes);
        if (field.number === 2) score = floatOf(field.bytes, damaged);
        if (field.number === 3) type = Number(field.value);
      }
      pieces.push(piece);
      scores.push(score);
      types.push(type);
    }
    if (number === 2) for (const field of fieldsOf(bytes, damaged)) trainer.set(field.number, field.value);
    if (number === 3) {
      for (const field of fieldsOf(bytes, damaged)) {
        normalizer.set(field.number, field.value);
        if (field.number === 2) charsmap = field.bytes.length;
      }
    }
  }
  if (pieces.length === 0 || !scores.every(Number.isFinite)) damaged();
  const kind = ['none', 'unigram', 'bpe', 'word', 'char'][Number(trainer.get(3) ?? 1n)] ?? 'unknown';
  if (kind !== 'bpe') fail(`SentencePiece models of the kind ${quoted(kind)} are not supported; supported: "bpe".`);
  if (charsmap > 0) fail('it normalizes texts by a table of characters, which is not supported.');
  if ((normalizer.get(4) ?? 1n) !== 0n) fail('it removes extra spaces, which is not supported.');
  const id = (field: number, fallback: bigint) => {
    const value = Number(BigInt.asIntN(32, trainer.get(field) ?? fallback));
    return value >= 0 && value < pieces.length ? value : null;
  };
  return {
    ...{ pieces, scores, types },
    dummyPrefix: (normalizer.get(3) ?? 1n) !== 0n,
    ...{ unknown: id(40, 0n), bos: id(41, 1n), eos: id(42, 2n) },
  };
}

function floatOf(bytes: Uint8Array, damaged: () => never): number {
  return bytes.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true) : damaged();
}

/** The fields of a message, in order. */
function* fieldsOf(message: Uint8Array, damaged: () => never): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++] ?? damaged();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return damaged();
  };
  while (at < message.length) {
    const key = varint();
    const [number, wire] = [Number(key >> 3n), Number(key & 7n)];
    if (number === 0) damaged();
    const value = wire === 0 || wire === 2 ? varint() : 0n;
    const length = { 0: 0, 1: 8, 2: Number(value), 5: 4 }[wire] ?? damaged();
    if (length > message.length - at) damaged();
    yield { number, value, bytes: message.subarray(at, at + length) };
    at += length;
  }
}
