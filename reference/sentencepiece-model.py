#!/usr/bin/env python3
"""A small tokenizer.model as LLaMA's was made, and what Google's sentencepiece makes of varied texts with it.

Trained on sentences drawn here from a few words; holds no third-party data.

    python3 -m venv venv && venv/bin/pip install sentencepiece==0.2.3
    venv/bin/python reference/sentencepiece-model.py --out packages/llm/test/fixtures/sentencepiece

Licence: MIT, as the project.
"""

import argparse
import json
import random
from pathlib import Path

import sentencepiece

WORDS = (
    "a the and of to in is was it he she they little big red blue green old new house tree river garden letter friend "
    "morning evening found kept lost opened carried walked played looked happily slowly again never always because "
    "water window winter summer stone story song. market? letters! running runner ran 1999 2024 17 über café naïve"
).split()
ODD = ["日本", "Привет", "😀", "👩‍👩‍👧", "\t", "\n", "\n\n", "  ", "   ", "▁", "e\u0301", "\u00a0", "\ufeff", "<s>x", "12,345.60", '"', ""]


def sentence(random: random.Random, words: list[str]) -> str:
    return " ".join(random.choice(words) for _ in range(random.randint(1, 12)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1)
    path = out / "tokenizer.model"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(sentence(draw, WORDS) for _ in range(4000)),
            model_writer=file,
            model_type="bpe",
            vocab_size=480,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            byte_fallback=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            character_coverage=0.999,
            num_threads=1,
            minloglevel=2,
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    # Controls are matched whole by Hugging Face's tokenizers, and never by sentencepiece.
    odd = [text for text in ODD if "<s>" not in text]
    texts = [*odd, *(sentence(draw, WORDS) for _ in range(60))]
    texts += ["".join(draw.choice([*WORDS, *odd, " ", " "]) for _ in range(draw.randint(1, 15))) for _ in range(140)]
    expected = [{"text": text, "ids": processor.encode(text)} for text in texts]
    by = f"sentencepiece {sentencepiece.__version__}"
    content = {"by": by, "pieces": processor.get_piece_size(), "encoded": expected}
    (out / "expected.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
