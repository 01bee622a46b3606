#!/usr/bin/env python3
"""One training step in PyTorch, transformers and PEFT: the same as `crossgate-bench training --step`, beside which it is run.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2
    crossgate-bench training --step 7b --out ours.json
    venv/bin/python reference/training-step.py --step 7b --out theirs.json      # the same GPU, with nothing else on it
    venv/bin/python reference/training-step.py --step smollm2 --layers 2 --tokens 64 --dtype float32    # a smaller one

Weights come of the same generator and seed, and both print the loss before the first step (adapters begin as zeros, so they
have no part in it). Of the smaller step above, ours on llvmpipe gave 49.01898, float32 on a processor 49.01897, bfloat16
49.02132; of inferena with 2 layers and 64 tokens, 45.442573 and 45.442574. Random numbers of dropout and of the adapters'
first factor are PyTorch's own.

Licence: MIT, as the project.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

SMOLLM2 = {
    **{"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9},
    **{"num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True},
}
LLAMA_7B = {
    **{"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
    **{"num_key_value_heads": 32, "vocab_size": 32000, "tie_word_embeddings": False},
}
# Model, sequences, tokens of each, and whether LoRA is trained or every weight.
STEPS = {"7b": (LLAMA_7B, 3, 700, True), "smollm2": (SMOLLM2, 3, 700, True), "inferena": (SMOLLM2, 1, 128, False)}
MASK = 0xFFFFFFFF


def philox(counters, stream: int, seed: int):
    """Four words (Philox4x32-10) of each counter (n, 0, stream, 2), for tensors or arrays of int64."""
    c = [counters & MASK, counters * 0, counters * 0 + stream, counters * 0 + 2]
    key = [seed & MASK, 0x43524F53]
    for _ in range(10):
        # Products of two words wrap in 64 signed bits; all their bits are there.
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        high = [(second >> 32) & MASK, (first >> 32) & MASK]
        c = [high[0] ^ c[1] ^ key[0], second & MASK, high[1] ^ c[3] ^ key[1], first & MASK]
        key = [(key[0] + 0x9E3779B9) & MASK, (key[1] + 0xBB67AE85) & MASK]
    return c


def fill(torch, parameter, name: str, stream: int, seed: int, halves: bool) -> None:
    """Gives a weight the values that it has in Crossgate; in blocks, since a counter takes 64 bits."""
    matrix = parameter.dim() == 2
    bound = 0.5 if "embed_tokens" in name else (3 / parameter.shape[-1]) ** 0.5
    low, high = (-bound, bound) if matrix else (0.95, 1.05)
    halves = halves and matrix
    flat, step = parameter.data.view(-1), 8 if halves else 4
    for begin in range(0, flat.numel(), 2**24):
        end = min(begin + 2**24, flat.numel())
        counters = torch.arange(begin // step, -(-end // step), dtype=torch.int64, device=flat.device)
        words = torch.stack(philox(counters, stream, seed), dim=1).view(-1)
        if halves:
            shares = torch.stack((words & 0xFFFF, words >> 16), dim=1).view(-1).float() * 2**-16
        else:
            shares = (words >> 8).float() * 2**-24
        values = low + (high - low) * shares
        flat[begin:end] = (values.half() if halves else values)[: end - begin].to(flat.dtype)


def names_in_order(layers: int, tied: bool) -> list[str]:
    """Crossgate's order of a model's tensors; number i is stream i."""
    layer = ["input_layernorm", *(f"self_attn.{which}_proj" for which in "qkvo"), "post_attention_layernorm"]
    layer += [f"mlp.{which}_proj" for which in ("gate", "up", "down")]
    names = ["model.embed_tokens", *(f"model.layers.{i}.{name}" for i in range(layers) for name in layer), "model.norm"]
    return [f"{name}.weight" for name in names + ([] if tied else ["lm_head"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", choices=STEPS, required=True)
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"), help="default bfloat16; inferena float32")
    for name in ("layers", "tokens", "sequences"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--tf32", action="store_true", help="let products in float32 round their operands")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    import torch
    import transformers

    sizes, sequences, length, lora = STEPS[arguments.step]
    sequences, length = arguments.sequences or sequences, arguments.tokens or length
    sizes = {**sizes, **({"num_hidden_layers": arguments.layers} if arguments.layers else {})}
    dtype = getattr(torch, arguments.dtype or ("bfloat16" if lora else "float32"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = arguments.tf32
    torch.manual_seed(arguments.seed)

    config = transformers.LlamaConfig(
        **{**sizes, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2},
        rope_theta=10000.0,
        attn_implementation="sdpa",
    )
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(previous)
    parameters = dict(model.named_parameters())
    order = names_in_order(config.num_hidden_layers, config.tie_word_embeddings)
    assert set(order) == set(parameters), set(order) ^ set(parameters)
    for stream, name in enumerate(order):
        fill(torch, parameters[name], name, stream, arguments.seed, halves=lora)
    if arguments.checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    optimizer = None
    if lora:
        import peft

        options = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "target_modules": ["q_proj", "v_proj"]}
        # Adapters are float32, as in Crossgate; PEFT's default keeps them so.
        model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **options))
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.0, fused=device == "cuda")
    model.config.use_cache = False

    places = torch.arange(length, device=device)[None] + 97 * torch.arange(sequences, device=device)[:, None]
    tokens = 5 + places % (config.vocab_size - 5)
    labels = (torch.arange(sequences, device=device) % 2).float()

    def loss_now():
        if not lora:
            logits = model(input_ids=tokens).logits[:, :-1].float()
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        logits = model(input_ids=tokens, logits_to_keep=1).logits[:, -1].float()
        p = logits.softmax(-1)
        yes, no = p[:, 3], p[:, 4]
        entropy = torch.nn.functional.binary_cross_entropy
        # CCF-LLM, eq. 5, with k = 1 and the ranking term on probabilities.
        ranking = torch.nn.functional.softplus(-(2 * labels - 1) * (yes - no)).mean()
        return entropy(yes, labels) + entropy(no, 1 - labels) + ranking

    def step():
        model.zero_grad(set_to_none=True)
        loss_now().backward()
        if optimizer:
            optimizer.step()

    def wait():
        if device == "cuda":
            torch.cuda.synchronize()

    def timed(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            step()
        wait()
        return 1000 * (time.perf_counter() - start) / count

    model.eval()
    with torch.no_grad():
        before = loss_now().item()
    model.train()
    first = timed(1)
    timed(2)
    each = [timed(1) for _ in range(arguments.steps)]
    in_row = timed(arguments.steps)
    report = {
        **{"name": f"{arguments.step} step", "dtype": str(dtype).removeprefix("torch."), "tf32": arguments.tf32},
        **{"device": torch.cuda.get_device_name() if device == "cuda" else "cpu", "torch": torch.__version__},
        **{"transformers": transformers.__version__, "layers": config.num_hidden_layers},
        **{"sequences": sequences, "tokens": length, "checkpointing": arguments.checkpointing},
        **{"firstMs": first, "ms": statistics.median(each), "fastest": min(each), "slowest": max(each), "inRowMs": in_row},
        **{"tokensPerSecond": 1000 * sequences * length / in_row, "lossBefore": before},
        "peakBytes": torch.cuda.max_memory_allocated() if device == "cuda" else None,
    }
    text = json.dumps(report, indent=2)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
