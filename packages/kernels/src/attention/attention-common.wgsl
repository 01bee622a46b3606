// Shared by the attention kernels: constants, dot product, and access to rows of HEAD_DIM elements as VECTORS vectors of
// four, the last padded with zeros. VECTOR: HEAD_DIM is a multiple of four, and so a Value is one of these vectors.
// FORWARD (with CACHED or without), BACKWARD_QUERY or BACKWARD_KEY tell which arrays are bound.
#include vector
const LOG2_E = 1.4426950408889634;
const LN_2 = 0.6931471805599453;
/// Below every score, finite so that differences are too.
const LOWEST = -1e30;

fn dotOnto(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
  return fma(a.x, b.x, fma(a.y, b.y, fma(a.z, b.z, fma(a.w, b.w, sum))));
}

/// log(x) with one Newton step: software adapters approximate log to fewer digits than exp.
fn naturalLogarithm(x: f32) -> f32 {
  let estimate = log(x);
  return estimate + (x * exp(-estimate) - 1.0);
}

#if VECTOR
fn loadQuery(row: u32, part: u32) -> vec4<f32> { return query[row * u32(VECTORS) + part]; }
fn loadKey(row: u32, part: u32) -> vec4<f32> { return key[row * u32(VECTORS) + part]; }
fn loadValue(row: u32, part: u32) -> vec4<f32> { return value[row * u32(VECTORS) + part]; }
#if CACHED
fn loadCachedKey(row: u32, part: u32) -> vec4<f32> { return cachedKey[row * u32(VECTORS) + part]; }
fn loadCachedValue(row: u32, part: u32) -> vec4<f32> { return cachedValue[row * u32(VECTORS) + part]; }
#endif
#if FORWARD
fn storeOut(row: u32, part: u32, v: vec4<f32>) { out[row * u32(VECTORS) + part] = v; }
#else
fn loadGradOut(row: u32, part: u32) -> vec4<f32> { return gradOut[row * u32(VECTORS) + part]; }
#if BACKWARD_QUERY
fn storeGradQuery(row: u32, part: u32, v: vec4<f32>) { gradQuery[row * u32(VECTORS) + part] = v; }
#else
fn storeGradKey(row: u32, part: u32, v: vec4<f32>) { gradKey[row * u32(VECTORS) + part] = v; }
fn storeGradValue(row: u32, part: u32, v: vec4<f32>) { gradValue[row * u32(VECTORS) + part] = v; }
#endif
#endif
#else
fn within(part: u32, component: u32) -> bool { return part * 4u + component < u32(HEAD_DIM); }
fn loadQuery(row: u32, part: u32) -> vec4<f32> {
  var v = vec4<f32>();
#for i in 0..4
  if (within(part, ${i}u)) { v[${i}] = query[row * u32(HEAD_DIM) + part * 4u + ${i}u]; }
#endfor
  return v;
}
fn loadKey(row: u32, part: u32) -> vec4<f32> {
  var v = vec4<f32>();
#for i in 0..4
  if (within(part, ${i}u)) { v[${i}] = key[row * u32(HEAD_DIM) + part * 4u + ${i}u]; }
#endfor
  return v;
}
fn loadValue(row: u32, part: u32) -> vec4<f32> {
  var v = vec4<f32>();
#for i in 0..4
  if (within(part, ${i}u)) { v[${i}] = value[row * u32(HEAD_DIM) + part * 4u + ${i}u]; }
#endfor
  return v;
}
#if CACHED
fn loadCachedKey(row: u32, part: u32) -> vec4<f32> {
  var v = vec4<f32>();
#for i in 0..4
  if (within(part, ${i}u)) { v[${i}] = cachedKey[row * u32(HEAD_DIM) + part * 4u + ${i}u]; }
#endfor
  return v;
}
fn loadCachedValue(row: u32, part: u32) -> vec4<f32> {
  var v = vec4<f32>();
#for i in 0..4
  if (within(part, ${i}u)) { v[${i}] = cachedValue[row * u32(HEAD_DIM) + part * 4u + ${i}u]; }
#endfor
  return v;
}
#endif
#if FORWARD
fn storeOut(row: u32, part: u32, v: vec4<f32>) {
#for i in 0..4
  if (within(part, ${i}u)) { out[row * u32(HEAD_DIM) + part * 4u + ${i}u] = v[${i}]; }
#endfor
}
#else
fn loadGradOut(row: u32, part: u32) -> vec4<f32> {
  var v = vec4<f32>();
#for i in 0..4
  if (within(part, ${i}u)) { v[${i}] = gradOut[row * u32(HEAD_DIM) + part * 4u + ${i}u]; }
#endfor
  return v;
}
#if BACKWARD_QUERY
fn storeGradQuery(row: u32, part: u32, v: vec4<f32>) {
#for i in 0..4
  if (within(part, ${i}u)) { gradQuery[row * u32(HEAD_DIM) + part * 4u + ${i}u] = v[${i}]; }
#endfor
}
#else
fn storeGradKey(row: u32, part: u32, v: vec4<f32>) {
#for i in 0..4
  if (within(part, ${i}u)) { gradKey[row * u32(HEAD_DIM) + part * 4u + ${i}u] = v[${i}]; }
#endfor
}
fn storeGradValue(row: u32, part: u32, v: vec4<f32>) {
#for i in 0..4
  if (within(part, ${i}u)) { gradValue[row * u32(HEAD_DIM) + part * 4u + ${i}u] = v[${i}]; }
#endfor
}
#endif
#endif
#endif
