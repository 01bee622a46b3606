/** Which adapter of a list is meant: by kind, by name, by number, or by nothing at all. */
import type { Capabilities, MatrixConfiguration } from '../capabilities';

/** What can be known of an adapter without opening it. */
export interface AdapterSummary {
  /** Human-readable device name, e.g. `llvmpipe (LLVM 20, 256 bits)`; the second of equal ones ends in `#2`. */
  readonly name: string;
  /** Maker of the device, e.g. `nvidia`. */
  readonly vendor: string;
  /** Driver and version as Dawn describes it. */
  readonly driver: string;
  /** Dawn backend, e.g. `vulkan`. */
  readonly backend: string;
  /** `software` when the "GPU" is a program on the CPU. */
  readonly type: 'hardware' | 'software';
  /** WebGPU features that it offers, sorted. */
  readonly features: readonly string[];
  /** Smallest and largest subgroup; [1, 1] without subgroup support. */
  readonly subgroupSize: readonly [number, number];
  /** Shapes that its matrix units multiply. */
  readonly matrix: readonly MatrixConfiguration[];
  /** All that kernels can know of it. */
  readonly capabilities: Capabilities;
}

/**
 * `software`, `hardware`, a part of the adapter's name, or its number in the list, from 0; `NAME#2` is the second whose
 * name contains NAME. Case and outer blanks do not matter, nor which marks a name has between its words. Blank means
 * nothing was asked for.
 */
export type AdapterPreference = string;

/** A number of one or two digits, also with a sign, is meant as one of the list; `4090` is a part of a name. */
const listNumber = /^[-+]?\d{1,2}$/;

/** Words of a name, joined: drivers, Dawn and people disagree about what stands between them. */
const wordsOf = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** The first preference that is not blank, trimmed. */
export function preferenceOf(...given: readonly (AdapterPreference | undefined)[]): AdapterPreference | undefined {
  return given.map((text) => text?.trim()).find((text) => text !== undefined && text !== '');
}

/**
 * Picks an adapter: what was asked for, else the first hardware adapter of the list, else the first of all.
 * Pure, so the reason can be shown before anything is opened.
 *
 * @param adapters in the order in which {@link listAdapters} gives them
 */
export function chooseAdapter<Adapter extends Pick<AdapterSummary, 'name' | 'type'>>(
  adapters: readonly Adapter[],
  preference?: AdapterPreference,
): { chosen: Adapter | null; reason: string } {
  const asked = preferenceOf(preference);
  if (adapters.length === 0) return { chosen: null, reason: 'no adapter was found' };
  if (asked === undefined) {
    const hardware = adapters.find(({ type }) => type === 'hardware');
    return hardware
      ? { chosen: hardware, reason: 'the first hardware adapter that the driver offers' }
      : {
          chosen: adapters[0]!,
          reason: 'no hardware adapter was found, so this software one is used: expect it to be slow',
        };
  }
  const kind = asked.toLowerCase();
  if (kind === 'hardware' || kind === 'software') {
    const chosen = adapters.find(({ type }) => type === kind) ?? null;
    return { chosen, reason: chosen ? `${kind} was asked for` : `no ${kind} adapter was found` };
  }
  if (listNumber.test(asked)) {
    const chosen = adapters[Number(asked)] ?? null;
    const last = adapters.length - 1;
    const numbers = last === 0 ? 'the only one is 0' : `they are 0 to ${last}`;
    return { chosen, reason: chosen ? `number ${asked} was asked for` : `there is no adapter ${asked}, ${numbers}` };
  }
  const [, name = asked, ordinal] = /^(.*?)\s*#\s*(\d{1,2})$/.exec(asked) ?? [];
  const wanted = wordsOf(name);
  const isMeant = (adapter: Adapter) => wordsOf(adapter.name).includes(wanted);
  const matches = wanted === '' && ordinal === undefined ? [] : adapters.filter(isMeant);
  const chosen = matches[Number(ordinal ?? 1) - 1] ?? null;
  if (ordinal !== undefined) {
    const contain = matches.length === 1 ? "adapter's name contains" : "adapters' names contain";
    const count = `${matches.length} ${contain} "${name}"`;
    return { chosen, reason: chosen ? `number ${ordinal} of those whose name contains "${name}"` : count };
  }
  const others = matches.length > 1 ? `, the first of ${matches.length}` : '';
  return {
    chosen,
    reason: chosen ? `its name contains "${asked}"${others}` : `no adapter's name contains "${asked}"`,
  };
}
