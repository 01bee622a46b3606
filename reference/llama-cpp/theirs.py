#!/usr/bin/env python3
r"""llama.cpp's log-probabilities on the CPU with activations in f32, as theirs.mjs writes them.

    apt-get install libopenblas-dev pkg-config g++           # or what the system calls them; then a build of minutes
    python3 -m venv venv && CMAKE_ARGS="-DGGML_BLAS=ON -DGGML_BLAS_VENDOR=OpenBLAS -DGGML_CPU_REPACK=OFF -DLLAVA_BUILD=OFF" \
        venv/bin/pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36 numpy==2.4.6
    venv/bin/python theirs.py MODEL.gguf OUT                 # wants node on the path too, for texts.mjs
    venv/bin/python theirs.py MODEL.gguf OUT --rows 16       # too few for BLAS: activations rounded to 8 bits again
    GGML_SCHED_DEBUG=2 venv/bin/python theirs.py …           # shows which backend computes what

Where at least 32 rows (tokens) are multiplied by a matrix, llama.cpp's BLAS backend widens its blocks to f32 and calls sgemm.
All texts are therefore evaluated in one batch, each as a sequence of its own. Weights that were repacked would pass BLAS by.
Key/value cache in f32, no flash attention.

Licence: MIT, as the project.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import llama_cpp as llama
import numpy as np
from llama_cpp._ggml import libggml

SCRIPT = "import { strings, texts } from './texts.mjs'; console.log(JSON.stringify([texts, strings(2000)]))"
LEAST_ROWS = 32
libggml.ggml_backend_dev_by_name.restype = ctypes.c_void_p
libggml.ggml_backend_dev_description.restype = libggml.ggml_version.restype = ctypes.c_char_p


def blas():
    """The name of the linked BLAS; llama.cpp lists it among its devices."""
    device = libggml.ggml_backend_dev_by_name(b"BLAS")
    if not device:
        sys.exit("llama-cpp-python was built without BLAS: install it as this script's head says")
    return libggml.ggml_backend_dev_description(ctypes.c_void_p(device)).decode()


def tokenize(vocabulary, text):
    data = text.encode()
    tokens = (llama.llama_token * (len(data) + 8))()
    return list(tokens[: llama.llama_tokenize(vocabulary, data, len(data), tokens, len(tokens), False, False)])


def log_probabilities(model, sequences, rows):
    """Rows of f32, a position each, in the order of the sequences."""
    positions = [(sequence, position) for sequence, tokens in enumerate(sequences) for position in range(len(tokens))]
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = max(512, len(positions))
    parameters.n_ubatch = min(rows, parameters.n_batch)
    # One cache for all sequences: else each would be multiplied by itself.
    parameters.n_seq_max, parameters.kv_unified = len(sequences), True
    parameters.n_threads = parameters.n_threads_batch = 1
    parameters.type_k = parameters.type_v = llama.GGML_TYPE_F32
    parameters.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama.llama_init_from_model(model, parameters)
    batch = llama.llama_batch_init(len(positions), 0, 1)
    batch.n_tokens = len(positions)
    for index, (sequence, position) in enumerate(positions):
        batch.token[index], batch.pos[index] = sequences[sequence][position], position
        batch.n_seq_id[index], batch.seq_id[index][0], batch.logits[index] = 1, sequence, True
    if llama.llama_decode(context, batch) != 0:
        sys.exit("llama.cpp could not evaluate the texts")
    size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    for index in range(len(positions)):
        logits = np.ctypeslib.as_array(llama.llama_get_logits_ith(context, index), (size,)).astype(np.float64)
        logits -= logits.max()
        yield (logits - np.log(np.exp(logits).sum())).astype(np.float32)


options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("model")
options.add_argument("out")
options.add_argument("--rows", type=int, default=1 << 20, help="evaluate so many tokens at once (default: all)")
arguments = options.parse_args()
texts, strings = json.loads(
    subprocess.check_output(["node", "--input-type=module", "-e", SCRIPT], cwd=Path(__file__).resolve().parent)
)
logged = "GGML_SCHED_DEBUG" in os.environ
log = llama.llama_log_callback(lambda _level, text, _data: logged and sys.stderr.buffer.write(text))
llama.llama_log_set(log, None)
on = f"CPU, {blas()}" + (f", {arguments.rows} rows at once" if arguments.rows < LEAST_ROWS else "")
model_parameters = llama.llama_model_default_params()
model_parameters.n_gpu_layers = 0
model = llama.llama_model_load_from_file(arguments.model.encode(), model_parameters)
if not model:
    sys.exit(f"{arguments.model}: llama.cpp could not load it")
vocabulary = llama.llama_model_get_vocab(model)
start = [llama.llama_vocab_bos(vocabulary)] if llama.llama_vocab_get_add_bos(vocabulary) else []
sequences = [start + tokenize(vocabulary, text) for text in texts]
with open(f"{arguments.out}.f32", "wb") as file:
    for row in log_probabilities(model, sequences, arguments.rows):
        row.tofile(file)
document = {
    "by": f"llama-cpp-python {llama.__version__}, ggml {libggml.ggml_version().decode()}",
    "on": on,
    "vocabulary": llama.llama_vocab_n_tokens(vocabulary),
    "sequences": sequences,
    "tokenized": [{"text": text, "tokens": tokenize(vocabulary, text)} for text in strings],
}
Path(f"{arguments.out}.json").write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
