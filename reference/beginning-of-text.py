#!/usr/bin/env python3
"""What Hugging Face's transformers puts before a text, for every combination of what a model folder can say of it.

Small tokenizers (a tokenizer.json of pieces, one of bytes, a tokenizer.model) with every class, add_bos_token, post-processor
and bos_token. transformers 4 and 5 differ: run both. Holds no third-party data.

    python3 -m venv venv && venv/bin/pip install transformers==4.57.6 sentencepiece==0.2.3 protobuf==7.36.2
    venv/bin/python reference/beginning-of-text.py --out packages/llm/test/fixtures/beginning-of-text
    venv/bin/pip install transformers==5.23.0
    venv/bin/python reference/beginning-of-text.py --out packages/llm/test/fixtures/beginning-of-text

Licence: MIT, as the project.
"""

import argparse
import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "critical"}

import transformers  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[1] / "packages/llm/test/fixtures"
# In all three, "<s>" and "</s>" are tokens; their ids are read from the files.
SOURCES = {"pieces": "tokenizers/llama-2/tokenizer.json", "bytes": "tokenizers/llama-3/tokenizer.json", "model": "sentencepiece/tokenizer.model"}
ABSENT = "absent"
# Without a class, that of the architecture counts.
CLASSES = [ABSENT, "LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "PreTrainedTokenizerFast", "Qwen2Tokenizer"]
TEXT = "a"


def post_processors(bos: int) -> dict[str, object]:
    token = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    text = lambda name, type: {"Sequence": {"id": name, "type_id": type}}
    template = {
        "type": "TemplateProcessing", "single": [token, text("A", 0)], "pair": [token, text("A", 0), text("B", 1)],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [bos], "tokens": ["<s>"]}},
    }
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    return {
        "none": None, "template": template, "byte-level": byte_level,
        "both": {"type": "Sequence", "processors": [byte_level, template]},
    }


def begins(files: dict[str, object]) -> object:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            if isinstance(content, Path):
                shutil.copy(content, Path(folder) / name)
            else:
                (Path(folder) / name).write_text(json.dumps(content))
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            whole = tokenizer(TEXT).input_ids
            text = tokenizer(TEXT, add_special_tokens=False).input_ids
        except Exception as error:  # What it refuses is part of the answer.
            return f"{type(error).__name__}: {str(error)[:60]}"
        assert whole[len(whole) - len(text) :] == text
        return whole[: len(whole) - len(text)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    posts, cases = {}, []
    for source, path in SOURCES.items():
        file = FIXTURES / path
        base = json.loads(file.read_text()) if file.suffix == ".json" else None
        if base:
            posts[source] = post_processors(next(token["id"] for token in base["added_tokens"] if token["content"] == "<s>"))
        choices = itertools.product(CLASSES, [ABSENT, None, True, False], posts.get(source, [ABSENT]), ["<s>", None, ABSENT, "", "<nope>"])
        for kind, add, post, bos in choices:
            if base is None and "Llama" not in kind and kind != ABSENT:
                continue
            config = {"tokenizer_class": kind, "eos_token": "</s>", "add_bos_token": add, "bos_token": bos}
            config = {key: value for key, value in config.items() if value != ABSENT}
            tokenizer = {"tokenizer.json": {**base, "post_processor": posts[source][post]}} if base else {"tokenizer.model": file}
            files = {**tokenizer, "tokenizer_config.json": config, "config.json": {"model_type": "llama"}}
            cases.append([source, kind, add, post, bos, begins(files)])
    out.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    name = f"transformers-{transformers.__version__}"
    head = f'{{"by": "{name}", "posts": {json.dumps(posts)}, "sources": {json.dumps(SOURCES)}, "cases": ['
    (out / f"{name}.json").write_text(f"{head}\n{lines}\n]}}\n")


main()
