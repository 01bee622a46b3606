#!/usr/bin/env python3
"""Reference trainings of SASRec, by JAX in float64.

The model of the published PyTorch implementation (pmixer/SASRec.pytorch), pre- and post-norm: item vectors times the root of
the width plus position vectors, blocks of causal self-attention and a feed-forward network of two layers, a last
LayerNorm; at every position the next item is a 1 and a sampled one a 0 of a binary cross entropy, means over the positions
of a batch; Adam. No dropout. One difference: padding on the left is masked, so that it does not leak.

Generates sequences and batches from a seed, trains 200 steps, and writes the batches with the loss of every step. Holds no
third-party data. With --sequences, lines of "user item" in time order are trained on instead, with the settings of the published
run on Amazon Video (dim 50, two blocks, one head, length 50, batches of 128) and initial values as widely spread as its own; such
batches are third-party data and belong outside of the repository.

    python3 -m venv venv && venv/bin/pip install jax==0.10.2
    venv/bin/python reference/sasrec.py --out packages/cf/test/fixtures/sasrec-reference.json
    venv/bin/python reference/sasrec.py --sequences Video.txt --out video-batches.json

sasrec.mjs beside this file takes the same steps with Crossgate and compares.

Licence: MIT, as the project.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

LINEAR = ["query", "key", "value", "output", "feed_forward.input", "feed_forward.output"]
EPSILON = 1e-8


def parameter_shapes(settings):
    width = settings["cfDim"]
    shapes = {
        "item_embedding.weight": (settings["items"] + 1, width),
        "position_embedding.weight": (settings["historyLength"], width),
    }
    for block in range(settings["blocks"]):
        for norm in ["attention_norm", "feed_forward_norm"]:
            shapes[f"blocks.{block}.{norm}.weight"] = (width,)
            shapes[f"blocks.{block}.{norm}.bias"] = (width,)
        for name in LINEAR:
            shapes[f"blocks.{block}.{name}.weight"] = (width, width)
            shapes[f"blocks.{block}.{name}.bias"] = (width,)
    shapes["final_norm.weight"] = (width,)
    shapes["final_norm.bias"] = (width,)
    return shapes


def published_amplitudes(shapes):
    """Half the width of uniform values with the standard deviation of the published run's: Xavier's for tables and matrices, torch's
    for biases of linear layers; norms start at one and zero."""
    return {
        name: 0.0 if "norm" in name else (6 / sum(shape)) ** 0.5 if len(shape) == 2 else shape[0] ** -0.5
        for name, shape in shapes.items()
    }


def initial(shapes, amplitudes):
    """Values around the mean (within .3 unless amplitudes say otherwise) by a formula, so that no file of them is needed: they look
    random, which keeps all ranks full."""
    values = {}
    for place, (name, shape) in enumerate(shapes.items()):
        amplitude = amplitudes.get(name, 0.3)
        mixed = 1000 * np.sin(1 + 12.9898 * np.arange(np.prod(shape)) + 78.233 * place)
        wave = (2 * amplitude * (mixed - np.floor(mixed)) - amplitude).reshape(shape)
        if name.endswith("norm.weight"):
            wave = 1 + wave
        if name == "item_embedding.weight":
            wave[0] = 0
        # In float32 where 64 bits are not enabled.
        values[name] = jnp.asarray(wave.astype(np.float32).astype(np.float64))
    return values


def layer_norm(x, weight, bias):
    centered = x - x.mean(-1, keepdims=True)
    return centered / jnp.sqrt((centered**2).mean(-1, keepdims=True) + EPSILON) * weight + bias


def states(p, settings, history):
    """history [batch, length], 0 is padding on the left. Returns [batch, length, width]."""
    width, heads, length = settings["cfDim"], settings["heads"], settings["historyLength"]
    real = history > 0
    x = p["item_embedding.weight"][history] * np.sqrt(width) + p["position_embedding.weight"]
    x = x * real[..., None]
    causal = jnp.tril(jnp.ones((length, length), bool))
    # A place of padding sees itself, so that its softmax is defined; nobody reads what comes out.
    allowed = (causal[None] & real[:, None, :]) | jnp.eye(length, dtype=bool)[None]

    def linear(name, value):
        return value @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def attend(block, value):
        split = lambda name: linear(f"blocks.{block}.{name}", value).reshape(*value.shape[:2], heads, width // heads)
        query, key, content = split("query"), split("key"), split("value")
        logits = jnp.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(width // heads)
        weights = jax.nn.softmax(jnp.where(allowed[:, None], logits, -jnp.inf), -1)
        joined = jnp.einsum("bhqk,bkhd->bqhd", weights, content).reshape(value.shape)
        return linear(f"blocks.{block}.output", joined)

    def feed_forward(block, value):
        inner = jax.nn.relu(linear(f"blocks.{block}.feed_forward.input", value))
        return linear(f"blocks.{block}.feed_forward.output", inner)

    for block in range(settings["blocks"]):
        for name, layer in [("attention_norm", attend), ("feed_forward_norm", feed_forward)]:
            weight, bias = p[f"blocks.{block}.{name}.weight"], p[f"blocks.{block}.{name}.bias"]
            if settings["norm"] == "pre":
                x = x + layer(block, layer_norm(x, weight, bias))
            else:
                x = layer_norm(x + layer(block, x), weight, bias)
    return layer_norm(x, p["final_norm.weight"], p["final_norm.bias"])


def loss(p, settings, history, following, negative):
    real = (history > 0).astype(float)
    x = states(p, settings, history)
    table = p["item_embedding.weight"]
    positive_logit = (x * table[following]).sum(-1)
    negative_logit = (x * table[negative]).sum(-1)
    terms = jax.nn.softplus(-positive_logit) + jax.nn.softplus(negative_logit)
    return (terms * real).sum() / real.sum()


def train(settings, batches, steps):
    p = initial(parameter_shapes(settings), settings.get("amplitudes", {}))
    first = {name: jnp.zeros_like(value) for name, value in p.items()}
    second = dict(first)
    gradient = jax.jit(jax.value_and_grad(lambda p, *batch: loss(p, settings, *batch)))
    beta1, beta2 = settings["betas"]
    losses = []
    for step in range(1, steps + 1):
        value, g = gradient(p, *batches[(step - 1) % len(batches)])
        losses.append(float(value))
        for name in p:
            first[name] = beta1 * first[name] + (1 - beta1) * g[name]
            second[name] = beta2 * second[name] + (1 - beta2) * g[name] ** 2
            root = jnp.sqrt(second[name] / (1 - beta2**step)) + 1e-8
            p[name] = p[name] - settings["learningRate"] * first[name] / (1 - beta1**step) / root
    return losses, p


def padded(rows, length):
    return np.array([[0] * (length - len(row)) + row for row in rows], dtype=np.int64)


def generate(random, users, items):
    """Sequences with a rule to learn: the next item is often the last one plus three."""
    sequences = []
    for _ in range(users):
        item, sequence = int(random.integers(1, items + 1)), []
        for _ in range(int(random.integers(2, 16))):
            sequence.append(item)
            item = (item + 2) % items + 1 if random.random() < 0.7 else int(random.integers(1, items + 1))
        sequences.append(sequence)
    return sequences


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--sequences", help="lines of: user item")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--single", action="store_true", help="compute in float32: how far rounding alone leads")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", not arguments.single)
    random = np.random.default_rng(arguments.seed)
    if arguments.sequences:
        by_user = defaultdict(list)
        for line in Path(arguments.sequences).read_text().splitlines():
            user, item = map(int, line.split()[:2])
            by_user[user].append(item)
        # The last two are valid and test.
        sequences = [items[:-2] for items in by_user.values() if len(items) > 3]
        items = max(map(max, by_user.values()))
        shape = {"cfDim": 50, "historyLength": 50, "blocks": 2, "heads": 1, "batch": 128, "distinct": arguments.steps}
    else:
        items = 40
        sequences = generate(random, 60, items)
        shape = {"cfDim": 8, "historyLength": 10, "blocks": 2, "heads": 2, "batch": 12, "distinct": 20}
    settings = {**shape, "items": items, "learningRate": 1e-3, "betas": [0.9, 0.98]}
    if arguments.sequences:
        settings["amplitudes"] = published_amplitudes(parameter_shapes(settings))
    length = settings["historyLength"]
    batches, listed = [], []
    for _ in range(settings["distinct"]):
        chosen = random.integers(0, len(sequences), settings["batch"])
        cut = [sequences[user][-(length + 1) :] for user in chosen]
        histories, following = [row[:-1] for row in cut], [row[1:] for row in cut]
        negatives = []
        for user, row in zip(chosen, histories):
            known = set(sequences[user])
            draws = []
            while len(draws) < len(row):
                item = int(random.integers(1, items + 1))
                if item not in known:
                    draws.append(item)
            negatives.append(draws)
        batches.append(tuple(padded(rows, length) for rows in (histories, following, negatives)))
        listed.append({"histories": histories, "next": following, "negatives": negatives})
    result = {"jax": jax.__version__, "seed": arguments.seed, **settings, "batches": listed, "trainings": {}}
    for norm in ["pre", "post"]:
        losses, p = train({**settings, "norm": norm}, batches, arguments.steps)
        # Sums of squares show a parameter that went another way while the loss did not.
        squares = {name: float((value**2).sum()) for name, value in p.items()}
        result["trainings"][norm] = {"losses": losses, "sumOfSquares": squares}
        print(norm, "loss of the first step", losses[0], "and of the last", losses[-1])
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    Path(arguments.out).write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
