#!/usr/bin/env python3
"""Quantised blocks of random bytes, and the values that the Python package `gguf` gives them.

Every block's bytes are random; its scales are made finite halves, among them zero, minus zero, the smallest, the largest
and negative ones. Holds no third-party data.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 gguf==0.19.0
    venv/bin/python reference/ggml-blocks.py --out packages/llm/test/fixtures/ggml-blocks.json

Licence: MIT, as the project.
"""

import argparse
import base64
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# Offsets of the halves in a block.
HALVES = {
    "F32": [], "F16": [], "BF16": [],
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
SPECIAL = np.array([0x0000, 0x8000, 0x0001, 0x8001, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00], dtype=np.uint16)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    random = np.random.default_rng(20261123)
    types = {}
    for name, halves in HALVES.items():
        kind = GGMLQuantizationType[name]
        size, width = GGML_QUANT_SIZES[kind]
        blocks = 64 if size == 1 else 12 if size == 32 else 6
        data = random.integers(0, 256, (blocks, width), dtype=np.uint8)
        if size == 1:
            # No infinities and NaN: the exponent's lowest bit is cleared.
            data[:, -1] &= 0xBF
        for at in halves:
            bits = random.integers(0, 65536, blocks, dtype=np.uint16)
            bits = np.where((bits & 0x7C00) == 0x7C00, bits & 0xBFFF, bits)
            count = blocks // 2
            bits[:count] = random.permutation(SPECIAL)[:count]
            data[:, at] = bits & 0xFF
            data[:, at + 1] = bits >> 8
        if name == "F32":
            values = data.reshape(-1).view(np.float32)
        elif name == "F16":
            values = data.reshape(-1).view(np.float16).astype(np.float32)
        else:
            values = dequantize(data, kind).reshape(-1)
        assert np.isfinite(values).all()
        types[name] = {
            "bytes": base64.b64encode(data.tobytes()).decode(),
            "values": base64.b64encode(values.astype("<f4").tobytes()).decode(),
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    document = {"by": f"gguf {version('gguf')}, numpy {np.__version__}", "types": types}
    out.write_text(json.dumps(document, indent=1) + "\n")


main()
