/** A map that holds no more than so many entries: those used last. */
export class Recent<K, V> {
  readonly #entries = new Map<K, V>();

  /** @param most entries that are held, at least 1 */
  constructor(private readonly most: number) {}

  /** Entries that are held. */
  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    // A Map keeps the order in which keys came.
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.most) this.#entries.delete(this.#entries.keys().next().value!);
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }
}
