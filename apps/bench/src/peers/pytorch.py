"""PyTorch and PEFT as peers of `crossgate-bench peers`: they do the same work from the same inputs.

python3 pytorch.py pytorch|peft

Prints a line of JSON: {"version", "device", "ops"}, or {"absent": why}. Then it answers each line of its standard input:
  {"do": "prepare", "folder", "op", "settings", "dtype", "inputs": {name: {"file", "shape", "dtype"}}}
      -> {"ways": {"eager": {name: the same}}}, what came out, as files of the folder
  {"do": "time", "way", "calls"} -> {"ms", "processor"}: milliseconds of all calls by wall and processor, until the device is done
  {"do": "drop"}                 -> {}
Arrays are raw little-endian f32 or i32. An answer may be {"problem": why} instead.
"""

import ctypes
import json
import os
import sys
import time


def describe(torch):
    """The device that is used."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu, %d threads" % torch.get_num_threads()


def load(torch, folder, array):
    """An array of the case as a tensor on the host, in its own memory."""
    count = 1
    for length in array["shape"]:
        count *= length
    dtype = {"f32": torch.float32, "i32": torch.int32}[array["dtype"]]
    path = os.path.join(folder, array["file"])
    return torch.from_file(path, shared=False, size=count, dtype=dtype).reshape(array["shape"])


def matmul(torch, inputs, settings, dtype):
    """C = A B, or A Bt."""
    a, b = inputs["a"].to(dtype), inputs["b"].to(dtype)
    b = b.T if settings["transposeB"] else b
    return lambda: {"out": a @ b}


def softmax(torch, inputs, settings, dtype):
    """Over the last axis."""
    x = inputs["x"].to(dtype)
    return lambda: {"out": torch.softmax(x, -1)}


def layer_norm(torch, inputs, settings, dtype):
    x, weight, bias = (inputs[name].to(dtype) for name in ("x", "weight", "bias"))
    shape, epsilon = weight.shape, settings["epsilon"]
    return lambda: {"out": torch.nn.functional.layer_norm(x, shape, weight, bias, epsilon)}


def rms_norm(torch, inputs, settings, dtype):
    x, weight = inputs["x"].to(dtype), inputs["weight"].to(dtype)
    shape, epsilon = weight.shape, settings["epsilon"]
    return lambda: {"out": torch.nn.functional.rms_norm(x, shape, weight, epsilon)}


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


def peft_step(torch, inputs, settings, dtype):
    """The step of lora_step by transformers and PEFT: LlamaForCausalLM with LoRA on queries and values."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    tokens, targets = inputs["tokens"].long(), inputs["targets"].long()
    weights = {n: t.to(dtype) for n, t in inputs.items() if "." in n and ".lora_" not in n}
    adapters = {n: t.float() for n, t in inputs.items() if ".lora_" in n}
    rank = next(t.shape[0] for n, t in adapters.items() if n.endswith("lora_A.weight"))
    layers, hidden = settings["layers"], settings["hiddenSize"]
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=weights["model.layers.0.mlp.gate_proj.weight"].shape[0],
        num_hidden_layers=layers,
        num_attention_heads=settings["heads"],
        num_key_value_heads=settings["heads"],
        vocab_size=weights["model.embed_tokens.weight"].shape[0],
        max_position_embeddings=tokens.shape[1],
        rms_norm_eps=settings["rmsNormEpsilon"],
        rope_theta=settings["ropeTheta"],
        tie_word_embeddings=True,
        attn_implementation="sdpa",
        use_cache=False,
    )
    base = LlamaForCausalLM(config).to(device=tokens.device, dtype=dtype)
    left = base.load_state_dict(weights, strict=False)
    if left.unexpected_keys or set(left.missing_keys) - {"lm_head.weight"}:
        raise ValueError("the weights do not fit: %s" % left)
    scale = settings["loraScale"]
    lora = LoraConfig(r=rank, lora_alpha=scale * rank, lora_dropout=0.0, target_modules=["q_proj", "v_proj"])
    model = get_peft_model(base, lora)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    # base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight is PEFT's name within a model.
    own = {n: trained["base_model.model." + n.replace(".weight", ".default.weight")] for n in adapters}
    if len(own) != len(trained):
        raise ValueError("PEFT trains %d arrays, ours are %d" % (len(trained), len(own)))
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(adapters[name])
    optimizer = make_adam(torch, torch.optim.AdamW, list(own.values()), settings)
    model.train()

    def run():
        optimizer.zero_grad(set_to_none=True)
        # The last token of a sequence has no next one.
        logits = model(input_ids=tokens).logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
        loss.backward()
        gradients = {"gradient:" + name: parameter.grad for name, parameter in own.items()}
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
    "softmax": softmax,
    "layerNorm": layer_norm,
    "rmsNorm": rms_norm,
    "attention": attention,
    "attentionBackward": attention_backward,
    "adamw": adamw,
    "loraStep": lora_step,
    "mfStep": mf_step,
    "lightgcnStep": lightgcn_step,
    "sasrecStep": sasrec_step,
}

# What PEFT is about.
PEFT_OPERATIONS = {"loraStep": peft_step}


class Peer:
    def __init__(self, torch, operations):
        self.torch = torch
        self.operations = operations
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.run = None

    def prepare(self, folder, op, settings, dtype, inputs):
        """Does the case once and writes what comes out."""
        torch = self.torch
        kind = {"f32": torch.float32, "f16": torch.float16}[dtype]
        loaded = {name: load(torch, folder, array).to(self.device) for name, array in inputs.items()}
        self.run = self.operations[op](torch, loaded, settings, kind)
        files = {}
        for index, (name, value) in enumerate(self.run().items()):
            file = "%d.%d.bin" % (os.getpid(), index)
            on_host = value.detach().float().cpu().contiguous()
            with open(os.path.join(folder, file), "wb") as target:
                # By its address, since numpy may not be there.
                target.write(ctypes.string_at(on_host.data_ptr(), 4 * on_host.numel()))
            files[name] = {"file": file, "shape": list(value.shape), "dtype": "f32"}
        return {"ways": {"eager": files}}

    def time(self, way, calls):
        self.synchronize()
        start, processor = time.perf_counter(), time.process_time()
        for _ in range(calls):
            self.run()
        self.synchronize()
        wall = time.perf_counter() - start
        return {"ms": 1000 * wall, "processor": 1000 * (time.process_time() - processor)}

    def drop(self):
        self.run = None
        if self.device == "cuda":
            self.torch.cuda.empty_cache()
        return {}

    def synchronize(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()


def say(answer):
    print(json.dumps(answer), flush=True)


def main(name):
    try:
        import torch

        version = torch.__version__
        if name == "peft":
            import peft
            import transformers

            version = "%s, transformers %s, torch %s" % (peft.__version__, transformers.__version__, version)
    except ImportError as problem:
        say({"absent": str(problem)})
        return
    # Plain f32, as ours: TF32 would round the factors to 10 bits.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    operations = PEFT_OPERATIONS if name == "peft" else OPERATIONS
    peer = Peer(torch, operations)
    say({"version": version, "device": describe(torch), "ops": list(operations)})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            say(getattr(peer, request.pop("do"))(**request))
        except Exception as problem:  # out of memory, a data type that the device lacks: other cases still count
            peer.run = None
            say({"problem": "%s: %s" % (type(problem).__name__, str(problem).split("\n")[0])})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: pytorch.py pytorch|peft")
    main(sys.argv[1])
