/** Mappings as YAML gives them. */

/** A mapping as it comes out of YAML. */
export type Plain = Record<string, unknown>;

/** Whether a value is a mapping: not a list, not null, not what YAML's typed tags (`!!set`, `!!binary`) give. */
export function isPlain(value: unknown): value is Plain {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
