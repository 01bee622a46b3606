/** Where config.json says how positions rotate: one place, or several that agree. */
import { isOff, isRecord, KeyReader, shown } from './key-reader';

/** The rotary settings of a config.json, in whichever of its places they stand. */
export interface RotarySettings {
  /** The key that holds the scaling: `rope_parameters` or `rope_scaling`. */
  readonly key: string;
  readonly kind: string;
  /** Base of the rotary frequencies. */
  readonly ropeTheta: number;
  /** Reads what belongs to the kind. */
  readonly parameters: KeyReader;
}

/** What each kind of scaling takes. A kind that is not listed is refused as such. */
const keysOfKind: Readonly<Record<string, readonly string[]>> = {
  default: [],
  linear: ['factor'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor'],
  dynamic: ['factor'],
  yarn: ['factor', 'attention_factor', 'beta_fast', 'beta_slow', 'mscale', 'mscale_all_dim', 'truncate'],
  longrope: ['factor', 'attention_factor', 'short_factor', 'long_factor'],
};

/** The context before it was stretched. */
const originalKey = 'original_max_position_embeddings';
/** What may stand beside any kind: its name, the base, and what is known of the training. */
const commonKeys = ['rope_type', 'type', 'rope_theta', originalKey, 'finetuned'];

/**
 * Reads `rope_theta`, and the scaling in `rope_parameters` or, in files of older releases, `rope_scaling`.
 * @throws {InputError} naming the keys, where two places say different things, and for settings that the kind does not
 * take
 */
export function rotarySettings(reader: KeyReader): RotarySettings {
  const places = ['rope_parameters', 'rope_scaling'].flatMap((key) => {
    const value = reader.value(key);
    if (value === undefined) return [];
    if (!isRecord(value)) return reader.fail(`${key} is ${shown(value)}, but must be an object.`);
    return isOff(value) ? [] : [{ key, value, kind: kindOf(reader, key, value) }];
  });
  const [first = { key: 'rope_scaling', value: {}, kind: 'default' }, second] = places;
  if (second && settled(first) !== settled(second)) {
    reader.fail(
      `${first.key} (${shown(first.value)}) and ${second.key} (${shown(second.value)}) contradict one another; remove the wrong one.`,
    );
  }
  for (const { key, value, kind } of places) checkKeys(reader, key, value, kind);
  const ropeTheta = agreed(reader, places, 'rope_theta') ?? 10000;
  const original = agreed(reader, places, originalKey);
  // It may stand beside the settings of the scaling, too.
  const parameters = new KeyReader(`the ${first.key} of ${reader.source}`, (name) =>
    name === originalKey ? original : first.value[name],
  );
  return { key: first.key, kind: first.kind, ropeTheta, parameters };
}

interface Place {
  readonly key: string;
  readonly value: Record<string, unknown>;
  readonly kind: string;
}

function kindOf(reader: KeyReader, key: string, value: Record<string, unknown>): string {
  const layers = Object.keys(value).filter((name) => isRecord(value[name]));
  if (layers.length > 0) {
    reader.refuse(
      `${key} has settings of their own for ${layers.join(', ')}; rotary settings that differ by layer are not supported.`,
    );
  }
  const [name, old] = [value.rope_type ?? undefined, value.type ?? undefined];
  if (name !== undefined && old !== undefined && name !== old) {
    reader.fail(`${key} has rope_type ${shown(name)} and type ${shown(old)}; remove the wrong one.`);
  }
  const kind = name ?? old;
  const others = Object.keys(value).filter((other) => !commonKeys.includes(other) && !isOff(value[other]));
  if (kind === undefined && others.length > 0) {
    reader.fail(`${key} has ${others.join(', ')}, but no rope_type that says what they are of.`);
  }
  return kind === undefined ? 'default' : typeof kind === 'string' ? kind : shown(kind);
}

/** What a place says of the scaling, to be compared. */
function settled({ value, kind }: Place): string {
  const rest = Object.entries(value).filter(([name, setting]) => !commonKeys.includes(name) && !isOff(setting));
  return JSON.stringify([kind, rest.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

function checkKeys(reader: KeyReader, key: string, value: Record<string, unknown>, kind: string): void {
  const known = Object.hasOwn(keysOfKind, kind) ? keysOfKind[kind] : undefined;
  for (const [name, setting] of Object.entries(known ? value : {})) {
    if (commonKeys.includes(name) || known?.includes(name) || isOff(setting)) continue;
    if ((name === 'partial_rotary_factor' || name === 'factor' || name === 'attention_factor') && setting === 1)
      continue;
    reader.refuse(`${key} has ${name} ${shown(setting)}, which rotary positions of the kind ${kind} do not have here.`);
  }
}

/** The value of a key that may stand in the configuration and in each place. @throws InputError where two differ */
function agreed(reader: KeyReader, places: readonly Place[], name: string): number | undefined {
  const found = [
    ...places.map(({ key, value }) => ({ key: `${name} in ${key}`, value: value[name] ?? undefined })),
    { key: name, value: reader.value(name) },
  ].filter(({ value }) => value !== undefined);
  for (const { key, value } of found) {
    if (typeof value !== 'number' || !(value > 0 && Number.isFinite(value))) {
      reader.fail(`${key} is ${shown(value)}, but must be a number above 0.`);
    }
    if (value !== found[0]!.value) {
      reader.fail(
        `${key} is ${shown(value)}, but ${found[0]!.key} is ${shown(found[0]!.value)}; remove the wrong one.`,
      );
    }
  }
  return found[0]?.value as number | undefined;
}
