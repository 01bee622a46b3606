/**
 * Writes scalars as TensorBoard event files, without TensorFlow.
 *
 * A file is a row of TFRecords: length (u64), masked CRC-32C of the length, data, masked CRC-32C of the data, all
 * little-endian. The data is the protobuf message `tensorflow.Event` {1: wall_time double, 2: step int64,
 * 3: file_version string, 5: summary {1: value {1: tag string, 2: simple_value float}}}.
 */

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

/** CRC-32C (Castagnoli), as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The rotation that TFRecord applies, so that a checksum of data that holds checksums stays useful. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Frames one record. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(12 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

function lengthDelimited(field: number, data: Uint8Array | readonly number[]): number[] {
  return [(field << 3) | 2, ...varint(data.length), ...data];
}

function double(field: number, value: number): number[] {
  return [(field << 3) | 1, ...new Uint8Array(new Float64Array([value]).buffer)];
}

function float(field: number, value: number): number[] {
  return [(field << 3) | 5, ...new Uint8Array(new Float32Array([value]).buffer)];
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** The record every event file begins with. `wallTime` in seconds since 1970. */
export function versionEvent(wallTime: number): Uint8Array {
  return tfRecord(Uint8Array.from([...double(1, wallTime), ...lengthDelimited(3, utf8('brain.Event:2'))]));
}

/** One record with the scalars of a step. `wallTime` in seconds since 1970; `step` is a non-negative integer. */
export function scalarEvent(wallTime: number, step: number, scalars: Readonly<Record<string, number>>): Uint8Array {
  const values = Object.entries(scalars).flatMap(([tag, value]) =>
    lengthDelimited(1, [...lengthDelimited(1, utf8(tag)), ...float(2, value)]),
  );
  return tfRecord(
    Uint8Array.from([...double(1, wallTime), (2 << 3) | 0, ...varint(step), ...lengthDelimited(5, values)]),
  );
}
