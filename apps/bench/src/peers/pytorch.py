"""The PyTorch column of `crossgate-bench`: does the same work from the same inputs, compares, and only then times.

python3 pytorch.py --probe   prints {"torch": version, "device": name}
python3 pytorch.py FOLDER    reads FOLDER/cases.json and the arrays beside it, prints one result per line, when it has it

A case is {"id", "op", "settings", "inputs": {name: {"file", "shape", "dtype"}}, "outputs": {the same}}; arrays are raw
little-endian f32 or i32. A result is {"id", "dtype", "ms", "error", "message"}: milliseconds on the wall clock per call,
the relative error to our outputs, and why there are no milliseconds.
"""

import json
import os
import statistics
import sys
import time

# Relative error in the Euclidean norm. Sums in another order differ by far less, a wrong layout by about 1.
TOLERANCE = {"f32": 1e-3, "f16": 3e-2}
REPEATS = 7
BATCH_SECONDS = 0.02
MOST_CALLS = 1000


def describe(torch):
    """The version, and the device that is used."""
    gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name(0) if gpu else "cpu, %d threads" % torch.get_num_threads()
    return {"torch": torch.__version__, "device": name}


def load(torch, folder, array):
    """An array of the case as a tensor on the host, in its own memory."""
    count = 1
    for length in array["shape"]:
        count *= length
    dtype = {"f32": torch.float32, "i32": torch.int32}[array["dtype"]]
    path = os.path.join(folder, array["file"])
    return torch.from_file(path, shared=False, size=count, dtype=dtype).reshape(array["shape"])


def matmul(torch, inputs, settings, dtype):
    """C = A Bt."""
    a, b = inputs["a"].to(dtype), inputs["b"].to(dtype)
    return lambda: {"out": a @ b.T}


def attention(torch, inputs, settings, dtype, backward=False):
    """Causal attention of sequences of one length; arrays are [sequences, tokens, heads, headDim]."""
    q, k, v = (inputs[name].to(dtype).transpose(1, 2).contiguous() for name in ("query", "key", "value"))
    scaled = torch.nn.functional.scaled_dot_product_attention
    if not backward:
        return lambda: {"out": scaled(q, k, v, is_causal=True).transpose(1, 2)}
    gradient = inputs["gradOut"].to(dtype).transpose(1, 2).contiguous()
    for tensor in (q, k, v):
        tensor.requires_grad_(True)

    def run():
        out = scaled(q, k, v, is_causal=True)
        grads = torch.autograd.grad(out, (q, k, v), gradient)
        names = ("gradQuery", "gradKey", "gradValue")
        return {"out": out.transpose(1, 2), **{n: g.transpose(1, 2) for n, g in zip(names, grads)}}

    return run


def attention_backward(torch, inputs, settings, dtype):
    return attention(torch, inputs, settings, dtype, backward=True)


def adamw(torch, inputs, settings, dtype):
    """One step of AdamW on one parameter; the state lives on between calls."""
    value = torch.nn.Parameter(inputs["value"].to(dtype))
    value.grad = inputs["gradient"].to(dtype)
    optimizer = make_adam(torch, torch.optim.AdamW, [value], settings)

    def run():
        optimizer.step()
        return {"value": value.detach()}

    return run


def make_adam(torch, kind, parameters, settings):
    options = {
        "lr": settings["learningRate"],
        "betas": (settings["beta1"], settings["beta2"]),
        "eps": settings["epsilon"],
        "weight_decay": settings["weightDecay"],
    }
    return kind(parameters, fused=torch.cuda.is_available(), **options)


def lora_step(torch, inputs, settings, dtype):
    """One training step of LoRA on a LLaMA: forward, mean cross entropy of the next tokens, backward, AdamW."""
    functional = torch.nn.functional
    adapters = {name: torch.nn.Parameter(t.float()) for name, t in inputs.items() if ".lora_" in name}
    integers = ("tokens", "targets")
    weights = {n: t.to(dtype) for n, t in inputs.items() if n not in adapters and n not in integers}
    tokens, targets = inputs["tokens"].long(), inputs["targets"].long()
    sequences, length = tokens.shape
    heads, hidden, epsilon = settings["heads"], settings["hiddenSize"], settings["rmsNormEpsilon"]
    dim = hidden // heads
    optimizer = make_adam(torch, torch.optim.AdamW, list(adapters.values()), settings)

    # Rotary tables, half-rotation: dimension i turns with i + dim / 2.
    device = tokens.device
    half = torch.arange(0, dim, 2, device=device, dtype=torch.float64) / dim
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float64), settings["ropeTheta"] ** -half)
    angles = torch.cat((angles, angles), dim=-1)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)

    def rotate(x):
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-second, first), dim=-1) * sin

    def norm(x, name):
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
        return weights[name] * wide.to(dtype)

    def linear(x, name):
        out = functional.linear(x, weights[name + ".weight"])
        a = adapters.get(name + ".lora_A.weight")
        if a is None:
            return out
        b = adapters[name + ".lora_B.weight"]
        return out + settings["loraScale"] * functional.linear(functional.linear(x, a.to(dtype)), b.to(dtype))

    def split(x):
        return x.reshape(sequences, length, heads, dim).transpose(1, 2)

    def forward():
        x = weights["model.embed_tokens.weight"][tokens]
        for layer in range(settings["layers"]):
            prefix = "model.layers.%d." % layer
            inner = norm(x, prefix + "input_layernorm.weight")
            q, k, v = (split(linear(inner, prefix + "self_attn.%s_proj" % name)) for name in "qkv")
            mixed = functional.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
            x = x + linear(mixed.transpose(1, 2).reshape(sequences, length, hidden), prefix + "self_attn.o_proj")
            inner = norm(x, prefix + "post_attention_layernorm.weight")
            gate, up = (linear(inner, prefix + "mlp.%s_proj" % name) for name in ("gate", "up"))
            x = x + linear(functional.silu(gate) * up, prefix + "mlp.down_proj")
        x = norm(x, "model.norm.weight")
        # The last token of a sequence has no next one.
        logits = functional.linear(x[:, :-1], weights["model.embed_tokens.weight"]).float()
        return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = forward()
        loss.backward()
        gradients = {"gradient:" + name: parameter.grad for name, parameter in adapters.items()}
        optimizer.step()
        return {"loss": loss.detach().reshape(1), **gradients}

    return run


def cf_step(torch, inputs, settings, vectors):
    """A training step on clicks: dot products of the vectors of users and items, binary cross entropy, Adam with coupled L2."""
    p = {n: torch.nn.Parameter(t) for n, t in inputs.items() if n.endswith((".weight", ".bias"))}
    optimizer = make_adam(torch, torch.optim.Adam, list(p.values()), settings)

    def run():
        optimizer.zero_grad(set_to_none=True)
        users, items = vectors(p)
        loss = torch.nn.functional.binary_cross_entropy_with_logits((users * items).sum(1), inputs["labels"])
        loss.backward()
        gradients = {"gradient:" + name: parameter.grad for name, parameter in p.items()}
        optimizer.step()
        return {"loss": loss.detach().reshape(1), **gradients}

    return run


def mf_step(torch, inputs, settings, dtype):
    """Matrix factorization."""
    users, items = inputs["users"].long(), inputs["items"].long()
    lookup = torch.nn.functional.embedding

    def vectors(p):
        return lookup(users, p["user_embedding.weight"]), lookup(items, p["item_embedding.weight"])

    return cf_step(torch, inputs, settings, vectors)


def lightgcn_step(torch, inputs, settings, dtype):
    """LightGCN: one sparse matrix of users and items, the mean of its layers."""
    users, items = inputs["users"].long(), inputs["items"].long()
    user_rows, item_rows = (len(inputs[name + "_embedding.weight"]) for name in ("user", "item"))
    edges = torch.stack((inputs["edgeUsers"].long(), inputs["edgeItems"].long())).unique(dim=1)
    ends = edges + torch.tensor([[0], [user_rows]], device=edges.device)
    size = (user_rows + item_rows,) * 2
    degree = torch.bincount(ends.reshape(-1), minlength=size[0]).float()
    weights = (degree[ends[0]] * degree[ends[1]]).rsqrt()
    both = torch.cat((ends, ends.flip(0)), dim=1)
    graph = torch.sparse_coo_tensor(both, torch.cat((weights, weights)), size).coalesce()

    def vectors(p):
        layer = total = torch.cat((p["user_embedding.weight"], p["item_embedding.weight"]))
        for _ in range(settings["layers"]):
            layer = torch.sparse.mm(graph, layer)
            total = total + layer
        own, others = (total / (settings["layers"] + 1)).split((user_rows, item_rows))
        return own[users], others[items]

    return cf_step(torch, inputs, settings, vectors)


def sasrec_step(torch, inputs, settings, dtype):
    """SASRec, pre-norm, histories padded on the left: the last state against an item."""
    functional = torch.nn.functional
    histories, items = inputs["histories"].long(), inputs["items"].long()
    batch, length = histories.shape
    real = histories > 0
    causal = torch.ones(length, length, dtype=torch.bool, device=real.device).tril()
    # A place of padding sees itself, so that its softmax is defined.
    itself = torch.eye(length, dtype=torch.bool, device=real.device)
    allowed = ((causal & real[:, None]) | itself)[:, None]
    mask = real[..., None].to(dtype)

    def vectors(p):
        table, width = p["item_embedding.weight"], p["item_embedding.weight"].shape[1]
        heads = (batch, length, settings["heads"], width // settings["heads"])

        def linear(x, name):
            return functional.linear(x, p[name + ".weight"], p[name + ".bias"])

        def norm(x, name):
            return functional.layer_norm(x, (width,), p[name + ".weight"], p[name + ".bias"], 1e-8)

        x = (functional.embedding(histories, table) * width**0.5 + p["position_embedding.weight"]) * mask
        for block in range(settings["blocks"]):
            prefix = "blocks.%d." % block
            inner = norm(x, prefix + "attention_norm")
            split = [linear(inner, prefix + name).reshape(heads).transpose(1, 2) for name in ("query", "key", "value")]
            mixed = functional.scaled_dot_product_attention(*split, attn_mask=allowed)
            x = x + linear(mixed.transpose(1, 2).reshape(batch, length, width), prefix + "output")
            inner = linear(norm(x, prefix + "feed_forward_norm"), prefix + "feed_forward.input").relu()
            x = x + linear(inner, prefix + "feed_forward.output")
        # An empty history is the zero vector.
        return norm(x[:, -1], "final_norm") * mask[:, -1], functional.embedding(items, table)

    return cf_step(torch, inputs, settings, vectors)


OPERATIONS = {
    "matmul": matmul,
    "attention": attention,
    "attentionBackward": attention_backward,
    "adamw": adamw,
    "loraStep": lora_step,
    "mfStep": mf_step,
    "lightgcnStep": lightgcn_step,
    "sasrecStep": sasrec_step,
}


def relative_error(torch, actual, expected):
    """The largest relative error of the case's outputs."""
    worst = 0.0
    for name, wanted in expected.items():
        difference = (actual[name].detach().cpu().double() - wanted.double()).norm()
        worst = max(worst, float(difference / max(float(wanted.double().norm()), 1e-30)))
    return worst


def measure(run, synchronize):
    """Median milliseconds per call of batches of about BATCH_SECONDS; what ran before was the warm-up."""

    def batch(calls):
        synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            run()
        synchronize()
        return (time.perf_counter() - start) / calls

    batch(1)
    calls = int(min(MOST_CALLS, max(1, BATCH_SECONDS / max(batch(1), 1e-9))))
    return 1000 * statistics.median(batch(calls) for _ in range(REPEATS))


def run_case(torch, folder, case, kind, device):
    """The result of one case in one data type."""
    result = {"id": case["id"], "dtype": kind, "ms": None, "error": None}
    dtype = {"f32": torch.float32, "f16": torch.float16}[kind]
    try:
        inputs = {name: load(torch, folder, array).to(device) for name, array in case["inputs"].items()}
        expected = {name: load(torch, folder, array) for name, array in case["outputs"].items()}
        run = OPERATIONS[case["op"]](torch, inputs, case["settings"], dtype)
        error = relative_error(torch, run(), expected)
        result["error"] = error if error == error else None
        if not error <= TOLERANCE[kind]:
            result["message"] = "differs from ours: relative error %g, at most %g" % (error, TOLERANCE[kind])
            return result
        synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
        result["ms"] = measure(run, synchronize)
    except Exception as problem:  # out of memory, a data type the device lacks: the other cases still count
        result["message"] = "%s: %s" % (type(problem).__name__, str(problem).split("\n")[0])
    return result


def main(argument):
    import torch

    if argument == "--probe":
        print(json.dumps(describe(torch)))
        return
    # Plain f32, as ours: TF32 would round the factors to 10 bits.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with open(os.path.join(argument, "cases.json"), encoding="utf-8") as file:
        cases = json.load(file)
    for case in cases:
        for kind in case["dtypes"]:
            print(json.dumps(run_case(torch, argument, case, kind, device)), flush=True)
            if device == "cuda":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: pytorch.py --probe | FOLDER")
    main(sys.argv[1])
