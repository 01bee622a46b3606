#!/usr/bin/env python3
"""Registers, stack and workgroup memory that WGSL kernels need on a GPU, counted without one.

Translates each kernel's WGSL to CUDA, statement by statement, and compiles that with ptxas by way of NVRTC. A Vulkan driver
has another compiler, for the same registers: the figures say whether a kernel fits, not how fast it is.

    python3 -m venv venv
    venv/bin/pip install nvidia-cuda-nvrtc-cu12==12.9.86 nvidia-cuda-runtime-cu12==12.9.79 nvidia-cuda-nvcc-cu12==12.9.86
    npm run -s example -- reference/registers/attention.mjs texts
    venv/bin/python reference/registers/registers.py texts/*.wgsl [--arch sm_90]

Understands what Crossgate's kernels use: storage arrays, workgroup arrays, `parameters`, structures, scalars and vectors of
f32, u32 and f16, and subgroup matrices, which become fragments of WMMA.

Licence: MIT, as the project.
"""

import argparse
import ctypes
import importlib.util
import re
from pathlib import Path

# Types and functions of WGSL that CUDA lacks. Workgroup arrays allow no constructors, so vectors have none but `make`s.
PRELUDE = r"""
#include <mma.h>
typedef unsigned int u32; typedef float f32;
struct vec2u { u32 x, y; };
struct vec3u { u32 x, y, z; };
struct vec2f { float x, y; };
struct alignas(16) vec4f {
  float x, y, z, w;
  float operator[](u32 i) const { return i == 0 ? x : i == 1 ? y : i == 2 ? z : w; }
  float& operator[](u32 i) { return i == 0 ? x : i == 1 ? y : i == 2 ? z : w; }
};
struct vec4u {
  u32 x, y, z, w;
  u32 operator[](u32 i) const { return i == 0 ? x : i == 1 ? y : i == 2 ? z : w; }
};
struct vec4b { bool x, y, z, w; };
struct alignas(8) vec4h { __half2 a, b; };
inline vec4h make_vec4h(vec4f v) { return {__floats2half2_rn(v.x, v.y), __floats2half2_rn(v.z, v.w)}; }
inline vec4u make_vec4u(u32 a) { return {a, a, a, a}; }
inline vec4u make_vec4u(u32 a, u32 b, u32 c, u32 d) { return {a, b, c, d}; }
inline vec4u operator+(u32 a, vec4u b) { return {a + b.x, a + b.y, a + b.z, a + b.w}; }
inline vec4b operator>=(vec4u a, vec4u b) { return {a.x >= b.x, a.y >= b.y, a.z >= b.z, a.w >= b.w}; }
inline vec4b operator<=(vec4u a, vec4u b) { return b >= a; }
inline vec4b operator&(vec4b a, vec4b b) { return {a.x && b.x, a.y && b.y, a.z && b.z, a.w && b.w}; }
inline vec2u make_vec2u(u32 a, u32 b) { return {a, b}; }
inline vec2f make_vec2f(float a, float b) { return {a, b}; }
inline vec4f make_vec4f() { return {0, 0, 0, 0}; }
inline vec4f make_vec4f(float a) { return {a, a, a, a}; }
inline vec4f make_vec4f(float a, float b, float c, float d) { return {a, b, c, d}; }
inline vec4f operator+(vec4f a, vec4f b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }
inline vec4f operator*(vec4f a, vec4f b) { return {a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w}; }
inline vec4f operator-(vec4f a, vec4f b) { return {a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w}; }
inline vec4f operator-(vec4f a, float b) { return a - make_vec4f(b); }
inline float dot_(vec4f a, vec4f b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
inline vec4f operator*(vec4f a, float b) { return a * make_vec4f(b); }
inline vec4f& operator+=(vec4f& a, vec4f b) { return a = a + b; }
inline vec4f& operator*=(vec4f& a, float b) { return a = a * b; }
inline float fma_(float a, float b, float c) { return __fmaf_rn(a, b, c); }
inline vec4f fma_(vec4f a, vec4f b, vec4f c) {
  return {fma_(a.x, b.x, c.x), fma_(a.y, b.y, c.y), fma_(a.z, b.z, c.z), fma_(a.w, b.w, c.w)};
}
inline float exp2_(float a) { float r; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a)); return r; }
inline vec4f exp2_(vec4f a) { return {exp2_(a.x), exp2_(a.y), exp2_(a.z), exp2_(a.w)}; }
inline float exp_(float a) { return __expf(a); }
inline float log_(float a) { return __logf(a); }
template <class T> inline T select_(T no, T yes, bool which) { return which ? yes : no; }
inline float select_(float no, float yes, bool which) { return which ? yes : no; }
inline vec4f select_(vec4f no, vec4f yes, vec4b which) {
  return {which.x ? yes.x : no.x, which.y ? yes.y : no.y, which.z ? yes.z : no.z, which.w ? yes.w : no.w};
}
inline u32 min_(u32 a, u32 b) { return a < b ? a : b; }
inline u32 max_(u32 a, u32 b) { return a < b ? b : a; }
inline float min_(float a, float b) { return fminf(a, b); }
inline float max_(float a, float b) { return fmaxf(a, b); }
/* Storage: an index beyond the end is clamped, as Dawn has it. What is only read may come by the read-only cache. */
template <class T> struct Writable { T* at; u32 count; T& operator[](u32 i) const { return at[min_(i, count - 1)]; } };
template <class T> struct Readable {
  const T* at; u32 count;
  T operator[](u32 i) const { return load(at + min_(i, count - 1)); }
  static u32 load(const u32* p) { return __ldg(p); }
  static float load(const float* p) { return __ldg(p); }
  static vec2f load(const vec2f* p) { float2 v = __ldg((const float2*)p); return {v.x, v.y}; }
  static vec2u load(const vec2u* p) { uint2 v = __ldg((const uint2*)p); return {v.x, v.y}; }
  static vec4f load(const vec4f* p) { float4 v = __ldg((const float4*)p); return {v.x, v.y, v.z, v.w}; }
};
"""
TYPES = {
    **{"vec4<f32>": "vec4f", "vec2<f32>": "vec2f", "vec2<u32>": "vec2u", "vec3<u32>": "vec3u"},
    **{"vec4<u32>": "vec4u", "vec4<f16>": "vec4h", "vec4<bool>": "vec4b"},
}
FUNCTIONS = "fma|exp2|exp|log|select|min|max|dot"


def replace(pattern: str, text: str, by) -> str:
    return re.sub(pattern, by, text, flags=re.M | re.S)


def translate(wgsl: str) -> str:
    """CUDA of a complete WGSL text with one entry point, `main`."""
    text = replace(r"//.*?$", wgsl, "")
    for ours, theirs in TYPES.items():
        text = text.replace(ours, theirs)
    text = replace(r"^(enable|requires) .*?;$", text, "")
    text = matrices(text)
    structures = re.findall(r"^struct (?!Parameters\b)(\w+) \{(.*?)\}", text, re.M)
    text = replace(r"^struct (?!Parameters\b)\w+ \{.*?\}$", text, "")

    # Parameters and storage become constants of the module, as a driver would have them.
    fields = re.findall(r"(\w+): (\w+),", re.search(r"struct Parameters \{(.*?)\}", text, re.S).group(1))
    storage = re.findall(r"@group.*?var<storage, (\w+)> (\w+): array<(\w+)>;", text)
    text = replace(r"^struct Parameters \{.*?\}$|^var<immediate>.*?;$|^@group.*?;$", text, "")
    outside = ""
    for name, members in structures:
        text = replace(rf"\b{name}\(", text, f"make_{name}(")
        pairs = [pair.split(":") for pair in members.split(",")]
        given = ", ".join(f"{kind.strip()} {member.strip()}" for member, kind in pairs)
        outside += f"struct {name} {{ {given.replace(', ', '; ')}; }};\n"
        outside += f"inline {name} make_{name}({given}) {{ return {{{', '.join(m.strip() for m, _ in pairs)}}}; }}\n"
    outside += "struct Parameters {" + "".join(f" {kind} {name};" for name, kind in fields) + " };\n"
    outside += "__constant__ Parameters parameters;\n"
    aliases = dict(re.findall(r"^alias (\w+) = (\w+);", text, re.M))
    for access, name, kind in storage:
        box = "Readable" if access == "read" else "Writable"
        outside += f"__constant__ {box}<{aliases.get(kind, kind)}> {name};\n"
    text = replace(r"^alias (\w+) = (\w+);", text, r"typedef \2 \1;")
    shared = re.findall(r"^var<workgroup> (\w+): array<(\w+), (.*?)>;", text, re.M)
    text = replace(r"^var<workgroup>.*?;$", text, "")
    outside_shared = "".join(f"__shared__ {kind} {name}[{count}];\n" for name, kind, count in shared)

    # Constants: a macro takes whatever type its place wants, as an abstract number does.
    text = replace(r"^const (\w+) = (.*?);\s*$", text, lambda m: f"#define {m[1]} ({number(m[2])})\n")
    text = replace(r"(?<![\w.])(\d+\.\d*|\d+(?:\.\d+)?e-?\d+)(?![\w.])", text, r"\1f")

    lanes = re.search(r"@workgroup_size\((\w+)\)", text).group(1)
    entry = f"""extern "C" __global__ void __launch_bounds__({lanes}) kernel() {{
  vec3u workgroup = {{blockIdx.x, blockIdx.y, 0}}, grid = {{gridDim.x, gridDim.y, 1}};
  u32 local = threadIdx.x, subgroup = threadIdx.x / 32, lane = threadIdx.x % 32;
"""
    text = replace(r"@compute @workgroup_size\(\w+\)\s*fn main\(.*?\) \{", text, lambda _: entry)
    text = replace(r"\bfn (\w+)\((.*?)\)(?: -> (\w+))? \{", text, function)
    text = replace(r"\b(?:let|var) (\w+) =", text, r"auto \1 =")
    text = replace(rf"\b({FUNCTIONS})\(", text, r"\1_(")
    text = replace(r"\b(vec4f|vec2f|vec2u|vec4u|vec4h)\(", text, r"make_\1(")
    text = text.replace("workgroupBarrier()", "__syncthreads()")
    # `auto` of an integer literal is signed; all our integers are unsigned.
    text = replace(r"\bauto (\w+) = (u32\(|\d+;)", text, r"u32 \1 = \2")
    # Workgroup arrays follow the constants that give their lengths; functions that use them follow both.
    first = re.search(r"^(inline|extern|typedef)", text, re.M).start()
    head = text[:first] + sorted_constants(text) + outside + outside_shared
    # A function may be called before it is declared.
    prototypes = "".join(re.findall(r"^typedef .*?\n", text, re.M))
    prototypes += "".join(f"{line};\n" for line in re.findall(r"^(inline \w+ \w+\(.*?\)) \{", text, re.M))
    return PRELUDE + head + prototypes + drop_constants(text[first:])


def matrices(text: str) -> str:
    """Subgroup matrices as fragments; where they lie is counted in vectors of four, of which WMMA knows nothing."""
    sizes = "UNIT_M, UNIT_N, UNIT_K"
    text = replace(
        r"var (\w+): subgroup_matrix_result<f32, \w+, \w+>;",
        text,
        rf"nvcuda::wmma::fragment<nvcuda::wmma::accumulator, {sizes}, float> \1; nvcuda::wmma::fill_fragment(\1, 0);",
    )

    def load(match: re.Match) -> str:
        name, side, layout, array, offset, stride = match.groups()
        kind = f"nvcuda::wmma::matrix_{'a' if side == 'left' else 'b'}, {sizes}, __half, nvcuda::wmma::{layout}"
        return (
            f"nvcuda::wmma::fragment<{kind}> {name}; "
            f"nvcuda::wmma::load_matrix_sync({name}, (const __half*)&{array}[{offset}], 4 * ({stride}));"
        )

    text = replace(
        r"let (\w+) = subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, \w+, \w+>, (row_major|col_major)>\("
        r"\s*&(\w+), ([^,]*), ([^,]*?)\);",
        text,
        load,
    )
    text = replace(
        r"(\w+) = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), \w+\);",
        text,
        r"nvcuda::wmma::mma_sync(\1, \2, \3, \1);",
    )
    return replace(
        r"subgroupMatrixStore<row_major>\(\s*&(\w+), ([^,]*), (\w+), ([^,]*?)\);",
        text,
        r"nvcuda::wmma::store_matrix_sync((float*)&\1[\2], \3, 4 * (\4), nvcuda::wmma::mem_row_major);",
    )


def number(text: str) -> str:
    return text if re.search(r"f$|[A-Za-z_]", text) or not re.search(r"[.e]", text) else text + "f"


def function(match: re.Match) -> str:
    arguments = [pair.split(":") for pair in match[2].split(",") if pair.strip()]
    given = ", ".join(f"{kind.strip()} {name.strip()}" for name, kind in arguments)
    return f"inline {match[3] or 'void'} {match[1]}({given}) {{"


def sorted_constants(text: str) -> str:
    return "".join(re.findall(r"^#define .*?\n", text, re.M))


def drop_constants(text: str) -> str:
    return replace(r"^#define .*?\n", text, "")


def compile_cuda(library: ctypes.CDLL, source: str, options: list[str]) -> str:
    """The log of ptxas. Raises where the translation is no CUDA."""
    program = ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    given = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    result = library.nvrtcCompileProgram(program, len(options), given)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    if result != 0:
        raise RuntimeError(log.value.decode())
    return log.value.decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--cuda", action="store_true", help="print the translation instead")
    arguments = parser.parse_args()
    found = {name: importlib.util.find_spec(f"nvidia.{name}") for name in ("cuda_nvrtc", "cuda_runtime", "cuda_nvcc")}
    places = {name: spec.submodule_search_locations[0] for name, spec in found.items() if spec}
    library = None if arguments.cuda else ctypes.CDLL(f"{places['cuda_nvrtc']}/lib/libnvrtc.so.12")
    options = [f"-arch={arguments.arch}", "--std=c++17", "--device-as-default-execution-space", "-Xptxas", "-v"]
    options += [f"-I{places[name]}/include" for name in ("cuda_runtime", "cuda_nvcc") if name in places]
    if not arguments.cuda:
        print("| kernel | registers | stack, bytes | spilled, bytes | workgroup memory, bytes |\n|---|---|---|---|---|")
    for path in arguments.files:
        source = translate(path.read_text())
        if arguments.cuda:
            print(source)
            continue
        log = compile_cuda(library, source, options)

        def count(pattern: str) -> int:
            match = re.search(pattern, log)
            return int(match[1]) if match else 0

        registers, stack = count(r"Used (\d+) registers"), count(r"(\d+) bytes stack frame")
        spilled, memory = count(r"(\d+) bytes spill stores"), count(r"(\d+) bytes smem")
        print(f"| {path.stem} | {registers} | {stack} | {spilled} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
