"""Training steps of pytorch.py: LoRA by PyTorch alone and by PEFT, and models of collaborative filtering.

Each takes torch, the inputs on the device, settings and a type, and returns what does the step once.
"""


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
