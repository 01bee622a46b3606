#!/usr/bin/env python3
"""Golden token ids of CCF-LLM prompts, made without any code of this project.

Reads MovieLens-1M as its publisher gives it, splits it by CoLLM's recipe, fills CCF-LLM's template (section 3.2) for 20
training rows and tokenises it with Hugging Face's own `tokenizers`. Writes token ids and dense ids, never titles.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3
    venv/bin/python reference/golden-prompts.py --data DIR/ml-1m --tokenizer DIR/stories260K/hf/tokenizer.json \
        --out packages/fusion/test/fixtures/golden-prompts.json

Licence: MIT, as the project.
"""

import argparse
import hashlib
import json
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path

from tokenizers import Tokenizer

MAX_LENGTH = 512
HISTORY = 10

# The template of section 3.2 on one line, with the noun "items". Slots are named in braces.
BEFORE_HISTORY = "#Question: A user has given high ratings to the following items: "
BEFORE_USER = (
    ". Additionally, we have information about the user's preferences encoded in the feature "
)
BEFORE_ITEM = (
    ". Using all available information, make a prediction about whether the user would enjoy the item "
)
AFTER_ITEM = '. Answer with "Yes" or "No". #Answer:'


def read_rows(folder):
    """Rows of the window in CoLLM's order: (user, item, label, split, history), all by dense id; and titles."""
    titles = {}
    for line in (folder / "movies.dat").read_text(encoding="latin-1").split("\n"):
        if line:
            movie, title, _ = line.split("::")
            titles[int(movie)] = title.strip()
    rated, first_seen = [], {}
    for number, line in enumerate((folder / "ratings.dat").read_text(encoding="latin-1").split("\n")):
        if not line:
            continue
        user, movie, rating, seconds = (int(field) for field in line.split("::"))
        first_seen.setdefault(movie, number)
        time = datetime.fromtimestamp(seconds, tz=timezone.utc)
        slot = 12 * (time.year - 2000) + time.month - 4
        split = "train" if 14 <= slot <= 23 else "valid" if 24 <= slot <= 28 else "test" if 29 <= slot <= 33 else None
        if split is not None:
            rated.append((user, seconds, first_seen[movie], number, movie, rating > 3, split))
    rated.sort()
    users, items = {}, {}
    liked = defaultdict(list)
    rows, dense_titles = [], {}
    for user, _, _, _, movie, label, split in rated:
        user_id = users.setdefault(user, len(users) + 1)
        item_id = items.setdefault(movie, len(items) + 1)
        dense_titles[item_id] = titles[movie]
        rows.append((user_id, item_id, label, split, list(liked[user_id])))
        if label:
            liked[user_id].append(item_id)
    return rows, dense_titles


class Segments:
    """Tokenises pieces of a prompt on their own: the space that SentencePiece puts before a text only before the first."""

    def __init__(self, path):
        self.first = Tokenizer.from_file(str(path))
        structure = json.loads(Path(path).read_text(encoding="utf-8"))
        steps = structure["normalizer"]["normalizers"]
        assert [step["type"] for step in steps] == ["Prepend", "Replace"], "another kind of tokenizer.json"
        structure["normalizer"]["normalizers"] = steps[1:]
        self.later = Tokenizer.from_str(json.dumps(structure))
        self.bos = self.first.token_to_id("<s>")
        self.cache = {}

    def ids(self, text, first=False):
        key = (text, first)
        if key not in self.cache:
            tokenizer = self.first if first else self.later
            self.cache[key] = tokenizer.encode(text, add_special_tokens=False).ids
        return self.cache[key]

    def answer_prefix(self):
        """What " Yes" and " No" begin with in common: it ends the prompt. Nothing where each is one token."""
        yes, no = self.ids(" Yes"), self.ids(" No")
        common = 0
        while yes[common] == no[common]:
            common += 1
        return yes[:common], yes[common], no[common]


def build(segments, titles, prefix, user, item, history):
    """(tokens, items, user position) of one prompt, whatever its length."""
    tokens, owners = [segments.bos], [0]
    texts = [BEFORE_HISTORY]
    user_position = -1

    def flush():
        text = "".join(texts)
        texts.clear()
        ids = segments.ids(text, first=len(tokens) == 1)
        tokens.extend(ids)
        owners.extend([0] * len(ids))

    def title(item_id):
        texts.append('"')
        flush()
        ids = segments.ids(titles[item_id])
        tokens.extend(ids)
        owners.extend([item_id] * len(ids))
        texts.append('"')

    if not history:
        texts.append("unknown")
    for number, item_id in enumerate(history):
        if number > 0:
            texts.append(", ")
        title(item_id)
    texts.append(BEFORE_USER)
    flush()
    user_position = len(tokens)
    tokens.append(-1)
    owners.append(0)
    texts.append(BEFORE_ITEM)
    title(item)
    texts.append(AFTER_ITEM)
    flush()
    tokens.extend(prefix)
    owners.extend([0] * len(prefix))
    return tokens, owners, user_position


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ratings.dat and movies.dat")
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json of stories260K")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    rows, titles = read_rows(options.data)
    segments = Segments(options.tokenizer)
    prefix, yes, no = segments.answer_prefix()
    train = [row for row in rows if row[3] == "train"]

    lengths = [
        len(build(segments, titles, prefix, user, item, history[-HISTORY:])[0]) for user, item, _, _, history in train
    ]
    longest = max(range(len(train)), key=lengths.__getitem__)
    # 16 rows evenly spread, and one of each kind that is easily got wrong.
    chosen = {number * (len(train) - 1) // 15 for number in range(16)}
    kinds = [
        longest,
        next(n for n, row in enumerate(train) if not row[4] and n not in chosen),
        next(n for n, row in enumerate(train) if not titles[row[1]].isascii() and n not in chosen),
        next(n for n, length in enumerate(lengths) if length == MAX_LENGTH + 1 and n not in chosen),
    ]
    chosen.update(kinds)
    for number in range(len(train)):
        if len(chosen) >= 20:
            break
        chosen.add(number)

    prompts = []
    for number in sorted(chosen):
        user, item, _, _, history = train[number]
        kept = history[-HISTORY:]
        while True:
            tokens, owners, user_position = build(segments, titles, prefix, user, item, kept)
            if len(tokens) <= MAX_LENGTH:
                break
            kept = kept[1:]
        prompts.append(
            {
                "row": number,
                "user": user,
                "item": item,
                "historyItems": len(kept),
                "tokens": tokens,
                "items": owners,
                "userPosition": user_position,
            }
        )
    result = {
        "source": "reference/golden-prompts.py",
        "tokenizerSha256": hashlib.sha256(options.tokenizer.read_bytes()).hexdigest(),
        "maxLength": MAX_LENGTH,
        "historyLength": HISTORY,
        "answers": {"prefix": prefix, "yes": yes, "no": no},
        "trainRows": {"count": len(train), "meanLength": sum(lengths) / len(lengths), "maximumLength": max(lengths)},
        "prompts": prompts,
    }
    text = json.dumps(result).replace('{"row"', '\n{"row"')
    options.out.write_text(text + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "prompts"}))
    print("prompts", [(p["row"], len(p["tokens"]), p["historyItems"]) for p in prompts])


if __name__ == "__main__":
    main()
