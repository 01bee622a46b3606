#!/usr/bin/env python3
"""GGUF files to hold ours against llama.cpp on.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 gguf==0.19.0
    venv/bin/python files.py widen MODEL.gguf OUT.gguf            # every block widened to F32, by the package gguf
    venv/bin/python files.py random LIKE.gguf OUT.gguf            # rows of 256 and 512, which K types need; vocabulary of LIKE
    venv/bin/python files.py quantize MODEL.gguf OUT.gguf Q4_K_M  # by llama.cpp itself, from F32

`quantize` wants llama.cpp's library: `npm install` in this folder. Rows that are no multiple of 256 get another type from it
than K: Q5_0 for Q4_K, Q5_1 for Q5_K, Q8_0 for Q6_K.

Licence: MIT, as the project.
"""

import ctypes
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize

FILE_TYPES = {"F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9}
FILE_TYPES |= {"Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "BF16": 32}


def write(path, like, tensors, changes):
    """Writes F32 tensors with the metadata of another file, save for `changes`."""
    architecture = like.fields["general.architecture"].contents()
    writer = GGUFWriter(path, architecture)
    for name, field in like.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        value = changes.get(name.removeprefix(f"{architecture}."), field.contents())
        sub_type = field.types[1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, field.types[0], sub_type)
    for name, values in tensors:
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def widen(source, out):
    like = GGUFReader(source)
    write(out, like, ((tensor.name, dequantize(tensor.data, tensor.tensor_type)) for tensor in like.tensors), {})


def random(source, out, width=256, inner=512, layers=3, heads=4):
    """Weights that keep the size of what passes through; half as many key and value heads as heads, of a width of 64."""
    like = GGUFReader(source)
    embeddings = next(tensor for tensor in like.tensors if tensor.name == "token_embd.weight")
    draws = np.random.default_rng(1)

    def matrix(rows, columns):
        return draws.normal(0, columns**-0.5, (rows, columns))

    tensors = [("token_embd.weight", draws.normal(0, 1, (int(embeddings.shape[1]), width)))]
    for layer in range(layers):
        shapes = {"attn_q": (width, width), "attn_k": (width // 2, width), "attn_v": (width // 2, width)}
        shapes |= {"attn_output": (width, width), "ffn_gate": (inner, width), "ffn_up": (inner, width), "ffn_down": (width, inner)}
        tensors += [(f"blk.{layer}.{name}.weight", matrix(*shape)) for name, shape in shapes.items()]
        tensors += [(f"blk.{layer}.{name}_norm.weight", draws.uniform(0.5, 1.5, width)) for name in ("attn", "ffn")]
    tensors += [("output_norm.weight", draws.uniform(0.5, 1.5, width)), ("output.weight", 2 * matrix(int(embeddings.shape[1]), width))]
    changes = {"embedding_length": width, "feed_forward_length": inner, "block_count": layers}
    changes |= {"attention.head_count": heads, "attention.head_count_kv": heads // 2, "rope.dimension_count": width // heads}
    write(out, like, tensors, changes)


def quantize(source, out, name):
    libraries = Path(__file__).parent / "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"
    for pattern in ("libggml-base.so", "libggml.*so", "libllama.*so"):
        library = ctypes.CDLL(str(next(libraries.glob(pattern))), mode=ctypes.RTLD_GLOBAL)

    class Parameters(ctypes.Structure):
        # The rest keeps its defaults, and may grow.
        _fields_ = [("threads", ctypes.c_int32), ("file_type", ctypes.c_int), ("rest", ctypes.c_uint8 * 248)]

    library.llama_model_quantize_default_params.restype = Parameters
    parameters = library.llama_model_quantize_default_params()
    parameters.threads, parameters.file_type = 1, FILE_TYPES[name]
    if library.llama_model_quantize(source.encode(), out.encode(), ctypes.byref(parameters)) != 0:
        sys.exit(f"{source}: llama.cpp could not quantize it")


command, *rest = sys.argv[1:]
{"widen": widen, "random": random, "quantize": quantize}[command](*rest)
print(rest[1], Counter(tensor.tensor_type.name for tensor in GGUFReader(rest[1]).tensors))
