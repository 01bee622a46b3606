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

import pytorch_steps as steps


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
    optimizer = steps.make_adam(torch, torch.optim.AdamW, [value], settings)

    def run():
        optimizer.step()
        return {"value": value.detach()}

    return run


OPERATIONS = {
    "matmul": matmul,
    "softmax": softmax,
    "layerNorm": layer_norm,
    "rmsNorm": rms_norm,
    "attention": attention,
    "attentionBackward": attention_backward,
    "adamw": adamw,
    "loraStep": steps.lora_step,
    "mfStep": steps.mf_step,
    "lightgcnStep": steps.lightgcn_step,
    "sasrecStep": steps.sasrec_step,
}

# What PEFT is about.
PEFT_OPERATIONS = {"loraStep": steps.peft_step}


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


def answers():
    """Takes standard output for answers alone: what libraries print there goes to standard error from now on."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Parts of a library that are not Python write to the file itself.
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def say(answer):
        own.write(json.dumps(answer) + "\n")
        own.flush()

    return say


def main(name):
    say = answers()
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
