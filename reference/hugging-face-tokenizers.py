#!/usr/bin/env python3
"""Small tokenizers of every kind that LLaMA-family models come with, and what Hugging Face's tokenizers makes of varied texts.

Each splits as its namesake does; the pieces are trained on sentences drawn here. Holds no third-party data.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3
    venv/bin/python reference/hugging-face-tokenizers.py --out packages/llm/test/fixtures/tokenizers

Licence: MIT, as the project.
"""

import argparse
import json
import random
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

WORDS = (
    "a the and of to in is was it he she they little big red old new house tree river garden letter friend morning "
    "found kept lost opened carried walked don't we're I'M he'LL 'S running runner 7 1999 12345678 3.14 café naïve "
    "Yes No \"Heat\" (1995), question? #Answer:"
).split()
ODD = [
    "日本語", "Привет", "שלום", "😀", "👩‍👩‍👧", "\t", "\n", "\n\n", "\r\n", "  ", "     ", "▁", "e\u0301", "\ufb01", "½", "٣٤٥", "ⅷ", "\u0130",
    "\u017ft", "\u212a", "\u00a0", "\ufeff", "\u200b", "...", "->", "",
]


def texts(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    sentence = lambda: " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 10)))
    mixed = lambda: "".join(draw.choice([*WORDS, *ODD, " ", " ", " "]) for _ in range(draw.randint(1, 14)))
    return [*ODD, *(draw.choice([sentence, mixed])() for _ in range(count))]


def gpt4_like(digits: str) -> pre_tokenizers.PreTokenizer:
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
    rest = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = pre_tokenizers.Split(Regex(f"{words}|{digits}|{rest}"), "isolated")
    return pre_tokenizers.Sequence([split, byte_level])


def byte_level(pre: pre_tokenizers.PreTokenizer, normalizer: object = None, ignore_merges: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(texts(2000, 1), trainer)
    tokenizer.add_tokens([AddedToken("<tool>", special=False, normalized=False)])
    return tokenizer


def pieces(pre: object, normalizer: object = None) -> Tokenizer:
    """As LLaMA's SentencePiece model comes as tokenizer.json: bytes for what the pieces cannot spell."""
    trained = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=430, special_tokens=special, limit_alphabet=70, show_progress=False)
    trained.train_from_iterator(texts(2000, 1), trainer)
    content = json.loads(trained.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["id"] < 3]
    content["pre_tokenizer"] = None
    tokenizer = Tokenizer.from_str(json.dumps(content))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


KINDS = {
    "llama-3": lambda: byte_level(gpt4_like(r"\p{N}{1,3}"), ignore_merges=True),
    "qwen-2": lambda: byte_level(gpt4_like(r"\p{N}"), normalizers.NFC()),
    "llama-2": lambda: pieces(pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)),
    "llama-2-legacy": lambda: pieces(
        None, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--strings", type=int, default=150)
    arguments = parser.parse_args()
    for name, make in KINDS.items():
        tokenizer = make()
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n")
        encoded = []
        for text in [*texts(arguments.strings, 2), "a<tool>b </s> c"]:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            encoded.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
        content = {"by": f"tokenizers {tokenizers.__version__}", "encoded": encoded}
        (folder / "expected.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
