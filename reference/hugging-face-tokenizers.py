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


def unigram(pre: object) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<unk>", "<s>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(texts(2000, 1), trainer)
    return tokenizer


def altered(tokenizer: Tokenizer, **changes: object) -> Tokenizer:
    """With other entries of tokenizer.json."""
    return Tokenizer.from_str(json.dumps({**json.loads(tokenizer.to_str()), **changes}))


def with_added(tokenizer: Tokenizer, *added: AddedToken) -> Tokenizer:
    tokenizer.add_tokens(list(added))
    return tokenizer


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
IN_SEQUENCE = lambda *steps: pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
FORMS = {
    "prefix-space": lambda: byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "digits-together": lambda: byte_level(IN_SEQUENCE(pre_tokenizers.Digits(individual_digits=False))),
    "punctuation": lambda: byte_level(IN_SEQUENCE(pre_tokenizers.Punctuation("isolated"))),
    "punctuation-contiguous": lambda: byte_level(IN_SEQUENCE(pre_tokenizers.Punctuation("contiguous"))),
    "split-removed": lambda: byte_level(IN_SEQUENCE(pre_tokenizers.Split(Regex(r"\d+"), "removed"))),
    "white-space": lambda: byte_level(IN_SEQUENCE(pre_tokenizers.WhitespaceSplit())),
    "words": lambda: byte_level(IN_SEQUENCE(pre_tokenizers.Whitespace())),
    "gpt-2": lambda: byte_level(GPT2),
    "metaspace": lambda: pieces(pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)),
    "metaspace-never": lambda: pieces(pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never", split=False)),
    "metaspace-old": lambda: altered(
        pieces(pre_tokenizers.Metaspace()),
        pre_tokenizer={"type": "Metaspace", "replacement": "▁", "add_prefix_space": False, "prepend_scheme": "never"},
    ),
    "unigram": lambda: unigram(pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)),
    "added": lambda: with_added(
        byte_level(GPT2),
        AddedToken("garden", special=False, normalized=False, single_word=True),
        AddedToken("<|turn|>", special=False, normalized=False, lstrip=True, rstrip=True),
        AddedToken("<|turn|>!", special=True, normalized=False),
        AddedToken("river bank", special=False, normalized=True),
        AddedToken("    ", special=False, normalized=False),
    ),
}
CONTROL = ["a<tool>b </s> c", "a\ufeff\ufeff!b\x85c² _d", "<s>", "</s>a<unk>", "garden gardens <|turn|> a  <|turn|>!b river bank    x", "<0x0A> <0x41>"]


KINDS = {
    "llama-3": lambda: byte_level(gpt4_like(r"\p{N}{1,3}"), ignore_merges=True),
    "qwen-2": lambda: byte_level(gpt4_like(r"\p{N}"), normalizers.NFC()),
    "llama-2": lambda: pieces(pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)),
    "llama-2-legacy": lambda: pieces(
        None, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    ),
}


def without_control(tokenizer: Tokenizer) -> Tokenizer:
    """Without the added tokens that hold a sign: every text is text. Words that were added stay words."""
    content = json.loads(tokenizer.to_str())
    is_word = lambda token: not token["special"] and all(c.isalnum() or c.isspace() for c in token["content"])
    kept = []
    for token in content["added_tokens"]:
        # Ids go by the order of what is no piece: another name that no text spells holds the place.
        if is_word(token):
            kept.append(token)
        elif token["content"] not in dict(tokenizer.get_vocab(with_added_tokens=False)):
            kept.append({**token, "content": "\ue000" * (1 + token["id"])})
    if content["model"]["type"] == "Unigram":
        control = {token["content"] for token in content["added_tokens"]} - {token["content"] for token in kept}
        pieces_of = enumerate(content["model"]["vocab"])
        content["model"]["vocab"] = [["\ue000" * (1 + id) if piece in control else piece, score] for id, (piece, score) in pieces_of]
    return Tokenizer.from_str(json.dumps({**content, "added_tokens": kept}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--strings", type=int, default=150)
    arguments = parser.parse_args()
    by = f"tokenizers {tokenizers.__version__}"
    write = lambda file, content: file.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")
    for name, make in {**KINDS, **FORMS}.items():
        tokenizer = make()
        plain = without_control(tokenizer)
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n")
        encoded = []
        for text in [*texts(arguments.strings if name in KINDS else arguments.strings // 3, 2), *CONTROL]:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            as_text = plain.encode(text, add_special_tokens=False).ids
            decoded = tokenizer.decode(ids, skip_special_tokens=False)
            encoded.append({"text": text, "ids": ids, "decoded": decoded, **({} if ids == as_text else {"asText": as_text})})
        write(folder / "expected.json", {"by": by, "encoded": encoded})


main()
