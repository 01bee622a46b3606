#!/usr/bin/env python3
"""Small random models and LoRA adapters made by Hugging Face's transformers and peft, with their logits in float64.

Every model has one feature that a configuration can ask for; its weights are rounded to halves, so that the files are
small and exact. Holds no third-party data.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2
    venv/bin/python reference/hugging-face-models.py --out packages/llm/test/fixtures/hugging-face

Licence: MIT, as the project.
"""

import argparse
import copy
import json
import shutil
from pathlib import Path

import peft
import torch
import transformers
from transformers import LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

SHAPE = dict(
    vocab_size=29, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
    pad_token_id=None, attn_implementation="eager",
)
LLAMA3 = dict(rope_type="llama3", rope_theta=100.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)
MODELS = {
    "llama": LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "llama-biases": LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True, head_dim=6),
    "llama-linear": LlamaConfig(**SHAPE, rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=100.0)),
    "llama3": LlamaConfig(**{**SHAPE, "head_dim": 12}, rope_parameters=LLAMA3),
    "mistral-window": MistralConfig(**SHAPE, sliding_window=5),
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SHAPE, head_dim=8),
    "llama-yarn": LlamaConfig(**{**SHAPE, "head_dim": 12}, rope_parameters=dict(
        rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=16, beta_fast=4.0, beta_slow=0.5)),
    "qwen2-yarn": Qwen2Config(**{**SHAPE, "head_dim": 16}, rope_parameters=dict(
        rope_type="yarn", rope_theta=50.0, factor=2.0, original_max_position_embeddings=32, beta_fast=3.0, truncate=False,
        mscale=1.5, mscale_all_dim=0.5)),
    # Longer than its context, which stretches the base, and shorter, which does not.
    "llama-dynamic": LlamaConfig(**{**SHAPE, "max_position_embeddings": 12}, rope_parameters=dict(
        rope_type="dynamic", rope_theta=100.0, factor=3.0)),
    "llama-dynamic-short": LlamaConfig(**{**SHAPE, "max_position_embeddings": 19}, rope_parameters=dict(
        rope_type="dynamic", rope_theta=100.0, factor=3.0)),
}
ADAPTERS = {
    "llama": peft.LoraConfig(r=3, lora_alpha=6, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM"),
    "qwen2": peft.LoraConfig(r=4, lora_alpha=6, use_rslora=True, task_type="CAUSAL_LM",
                             target_modules=r".*\.1\.(self_attn|mlp)\..*_proj"),
}
# What else an adapter may have: the head, ranks and alphas by layer, layers left out, weights of its own.
MORE_ADAPTERS = {
    "llama": {
        "head": peft.LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj", "lm_head"], task_type="CAUSAL_LM"),
        "saved-head": peft.LoraConfig(r=2, target_modules=["v_proj"], modules_to_save=["lm_head"],
                                      task_type="CAUSAL_LM"),
    },
    "llama3": {
        "patterns": peft.LoraConfig(
            r=3, lora_alpha=6, use_rslora=True, target_modules=["q_proj", "down_proj", "lm_head"],
            rank_pattern={"q_proj": 1, r"layers\.1\.mlp\.down_proj": 5}, alpha_pattern={"down_proj": 9, "lm_head": 1},
            task_type="CAUSAL_LM"),
    },
    "qwen2": {
        "saved-embeddings": peft.LoraConfig(r=2, target_modules=["v_proj"], modules_to_save=["embed_tokens"],
                                            task_type="CAUSAL_LM"),
    },
    "qwen3": {
        "layers": peft.LoraConfig(
            r=2, target_modules=["q_proj", "up_proj"], exclude_modules=["up_proj"], layers_to_transform=[1],
            modules_to_save=["embed_tokens", "lm_head", "norm"], task_type="CAUSAL_LM"),
    },
}


def logits_of(model, tokens: list[int]) -> list[list[float]]:
    with torch.no_grad():
        return model.double().eval()(input_ids=torch.tensor([tokens])).logits[0].tolist()


def adapt(original, settings: peft.LoraConfig, folder: Path, tokens: list[int]) -> list[list[float]]:
    """Writes an adapter of random values; the model stays as it is."""
    model = peft.get_peft_model(copy.deepcopy(original), settings)
    for key, parameter in model.named_parameters():
        if "lora_" in key or "modules_to_save" in key:
            parameter.data = (torch.randn(parameter.shape) * 0.2 + (1 if ".norm." in key else 0)).half().float()
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    return logits_of(model, tokens)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    for index, (name, config) in enumerate(MODELS.items()):
        torch.manual_seed(index)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for key, parameter in model.named_parameters():
            scale = 1.0 if "embed" in key else 0.3
            parameter.data = (torch.randn(parameter.shape) * scale + ("norm" in key)).half().float()
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        # A copy is narrowed: the rotary frequencies of the original must stay as they are.
        copy.deepcopy(model).half().save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        tokens = [(7 * i + 3 * index + 1) % SHAPE["vocab_size"] for i in range(19)]
        expected = {
            "by": f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}",
            "tokens": tokens,
            "logits": logits_of(model, tokens),
        }
        original = copy.deepcopy(model).float()
        if name in ADAPTERS:
            expected["adapterLogits"] = adapt(original, ADAPTERS[name], folder / "adapter", tokens)
        for kind, settings in MORE_ADAPTERS.get(name, {}).items():
            logits = adapt(original, settings, folder / f"adapter-{kind}", tokens)
            expected.setdefault("moreAdapterLogits", {})[kind] = logits
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")


main()
