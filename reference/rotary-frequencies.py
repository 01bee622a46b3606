#!/usr/bin/env python3
"""Inverse rotary frequencies and attention factors of Hugging Face's transformers, for scalings of real models and odd ones.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.23.0
    venv/bin/python reference/rotary-frequencies.py --out packages/llm/test/fixtures/rotary-frequencies.json

Licence: MIT, as the project.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

YARN = dict(rope_type="yarn", factor=4.0)
# Name: (head_dim, max_position_embeddings, rotary parameters, length of the sequence)
CASES = {
    "qwen2.5": (128, 32768, dict(YARN, rope_theta=1e6, original_max_position_embeddings=32768), None),
    "yarn-llama-2-64k": (128, 65536, dict(YARN, rope_theta=1e4, factor=16.0, original_max_position_embeddings=4096), None),
    "yarn, whole pairs": (64, 4096, dict(YARN, rope_theta=1e4, original_max_position_embeddings=1000), None),
    "yarn, parts of pairs": (64, 4096, dict(YARN, rope_theta=1e4, original_max_position_embeddings=1000, truncate=False), None),
    "yarn, bounds": (32, 512, dict(YARN, rope_theta=500.0, factor=2.5, original_max_position_embeddings=128, beta_fast=8.0, beta_slow=2.0), None),
    "yarn, bounds alike": (32, 512, dict(YARN, rope_theta=500.0, original_max_position_embeddings=128, beta_fast=4.0, beta_slow=4.0, truncate=False), None),
    "yarn, mscale": (64, 4096, dict(YARN, rope_theta=1e4, factor=40.0, original_max_position_embeddings=1024, mscale=1.0, mscale_all_dim=0.7), None),
    "yarn, attention factor": (64, 4096, dict(YARN, rope_theta=1e4, original_max_position_embeddings=1024, attention_factor=1.25), None),
    "yarn, no original length": (64, 4096, dict(YARN, rope_theta=1e4), None),
    "dynamic, within": (128, 2048, dict(rope_type="dynamic", rope_theta=1e4, factor=2.0), 2048),
    "dynamic, one beyond": (128, 2048, dict(rope_type="dynamic", rope_theta=1e4, factor=2.0), 2049),
    "dynamic, beyond": (128, 2048, dict(rope_type="dynamic", rope_theta=1e4, factor=4.0), 8000),
    "dynamic, narrow": (8, 100, dict(rope_type="dynamic", rope_theta=100.0, factor=1.5), 149),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    lines = []
    for name, (head_dim, positions, parameters, length) in CASES.items():
        config = LlamaConfig(hidden_size=4 * head_dim, num_attention_heads=4, head_dim=head_dim, max_position_embeddings=positions, rope_parameters=dict(parameters))
        frequencies, factor = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, torch.device("cpu"), seq_len=length)
        case = {"name": name, "headDim": head_dim, "maxPositions": positions, "parameters": parameters, "length": length}
        lines.append(json.dumps({**case, "frequencies": frequencies.tolist(), "attentionFactor": factor}))
    by = f"transformers {transformers.__version__}, torch {torch.__version__}"
    parser.parse_args().out.write_text(f'{{"by": {json.dumps(by)}, "cases": [\n' + ",\n".join(lines) + "\n]}\n")


main()
