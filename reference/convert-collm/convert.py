#!/usr/bin/env python3
"""Converts CoLLM's data (train_ood2.pkl, valid_ood2.pkl, test_ood2.pkl) into a prepared data set of Crossgate.

    python3 -m venv venv && venv/bin/pip install pandas==3.1.1
    venv/bin/python reference/convert-collm/convert.py --source COLLM/ml-1m --out data/ml-1m-collm --name ml-1m

The folder that comes out is named as data.path in a config (data.name: the --name given here), and its rows stand in the order of
the pickles. Read are the columns uid, iid, label and title, and timestamp where there is one. A history is the user's earlier
positives, by time where there are times, else in the order train, valid, test; where the pickle has a column `his`, rows whose
last items differ from it are counted and said. Dense ids are given in the order of the source's, so that ids from 1 on
stay what they are.

A pickle can run programs: convert only files that you trust. Licence: MIT, as the project.
"""

import argparse
import hashlib
import json
import os
import pickle
import shutil
import sys
from array import array
from pathlib import Path

SPLITS = ["train", "valid", "test"]


class InputError(Exception):
    """Something that the user can put right."""


def read_split(source, split, suffix):
    """The columns of one pickle as lists. A pandas DataFrame, or a dict of columns."""
    path = source / f"{split}{suffix}.pkl"
    if not path.exists():
        raise InputError(f"{path}: no such file; name the folder of CoLLM's pickles, or their ending with --suffix")
    try:
        with path.open("rb") as file:
            frame = pickle.load(file)
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: needs the module {error.name}; pip install {error.name}") from error
    except (pickle.UnpicklingError, EOFError) as error:
        raise InputError(f"{path}: not a pickle, or cut short ({error})") from error
    names = list(frame.keys())
    for name in ["uid", "iid", "label"]:
        if name not in names:
            raise InputError(f"{path}: has no column {name}; it has {', '.join(map(str, names))}")
    columns = {str(name): list(frame[name]) for name in names}
    for row, label in enumerate(columns["label"]):
        if label not in (0, 1):
            raise InputError(f"{path}: label of row {row} is {label!r}; it must be 0 or 1")
    return columns


def dense(ids):
    """Dense ids from 1 on, in ascending order of the source's."""
    return {source: place + 1 for place, source in enumerate(sorted(set(ids)))}


def json_lines(values):
    entries = ",\n".join(json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
    return f"[\n{entries}\n]\n".encode()


def little_endian(kind, values):
    column = array(kind, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def convert(splits, name):
    """The files of a prepared folder by name, and what there is to remark."""
    rows = [(split, row) for split in SPLITS for row in range(len(splits[split]["uid"]))]
    get = lambda column, place: splits[place[0]][column][place[1]]
    users = dense(int(get("uid", place)) for place in rows)
    items = dense(int(get("iid", place)) for place in rows)
    warnings = []
    titled = all("title" in splits[split] for split in SPLITS)
    titles = {}
    for place in rows:
        titles.setdefault(int(get("iid", place)), str(get("title", place)).strip() if titled else str(get("iid", place)))
    timed = all("timestamp" in splits[split] for split in SPLITS)
    if not timed:
        warnings.append("no timestamps: rows follow one another in the order train, valid, test")
    time = (lambda place: float(get("timestamp", place))) if timed else (lambda place: 0.0)

    positives = {user: [] for user in users}
    history_length = {}
    differing = 0
    for place in sorted(rows, key=time):  # stable: ties stay in the order of the files
        liked = positives[int(get("uid", place))]
        history_length[place] = len(liked)
        if "his" in splits[place[0]]:
            # CoLLM pads short histories with 0.
            told = [int(item) for item in get("his", place) if int(item) != 0]
            if told != liked[len(liked) - len(told) :] or (not told and liked):
                differing += 1
        if get("label", place) == 1:
            liked.append(int(get("iid", place)))
    if differing:
        warnings.append(f"{differing} of {len(rows)} rows have another history in the column his")

    trained_users = {int(user) for user in splits["train"]["uid"]}
    trained_items = {int(item) for item in splits["train"]["iid"]}
    offsets = [0, 0]
    for user in users:
        offsets.append(offsets[-1] + len(positives[user]))
    files = {
        "users.json": json_lines([str(user) for user in users]),
        "items.json": json_lines([[str(item), titles[item]] for item in items]),
        "positives.offset.i32": little_endian("i", offsets),
        "positives.item.i32": little_endian("i", [items[item] for user in users for item in positives[user]]),
    }
    counts = {"dataset": name, "users": len(users), "items": len(items), "splits": {}}
    for split in SPLITS:
        columns = splits[split]
        places = [(split, row) for row in range(len(columns["uid"]))]
        uid, iid = [int(user) for user in columns["uid"]], [int(item) for item in columns["iid"]]
        label = [int(value) for value in columns["label"]]
        seen = [int(user in trained_users and item in trained_items) for user, item in zip(uid, iid)]
        files[f"{split}.user.i32"] = little_endian("i", [users[user] for user in uid])
        files[f"{split}.item.i32"] = little_endian("i", [items[item] for item in iid])
        files[f"{split}.label.u8"] = bytes(label)
        files[f"{split}.timestamp.f64"] = little_endian("d", [time(place) for place in places])
        files[f"{split}.seen.u8"] = bytes(seen)
        files[f"{split}.history-length.i32"] = little_endian("i", [history_length[place] for place in places])
        counts["splits"][split] = {
            "rows": len(label),
            "positives": sum(label),
            "users": len(set(uid)),
            "items": len(set(iid)),
            "seen": sum(seen),
        }
        if not label:
            warnings.append(f"split {split} has no rows")
    return files, counts, warnings


def manifest(files, counts, warnings, name):
    # In the order of the format: the files of a split as user, item, label, timestamp, seen, history-length.
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    listed = "".join(f"{file} {digest}\n" for file, digest in digests.items())
    return {
        "format": "crossgate-dataset",
        "version": 1,
        "name": name,
        "hash": hashlib.sha256(listed.encode()).hexdigest(),
        "counts": counts,
        "recipe": {"name": name, "version": 1, "source": "CoLLM's pickles, by reference/convert-collm"},
        "warnings": warnings,
        "files": {file: {"bytes": len(content), "sha256": digests[file]} for file, content in files.items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", required=True, type=Path, help="folder of the three pickles")
    parser.add_argument("--out", required=True, type=Path, help="folder to make; must not exist")
    parser.add_argument("--name", default="collm", help="name of the data set (default: collm)")
    parser.add_argument("--suffix", default="_ood2", help="what stands between the split and .pkl (default: _ood2)")
    arguments = parser.parse_args()
    partial = arguments.out.with_name(f".{arguments.out.name}.partial-{os.getpid()}")
    try:
        if arguments.out.exists():
            raise InputError(f"{arguments.out}: exists already; name another --out")
        splits = {split: read_split(arguments.source, split, arguments.suffix) for split in SPLITS}
        files, counts, warnings = convert(splits, arguments.name)
        text = json.dumps(manifest(files, counts, warnings, arguments.name), ensure_ascii=False, indent=2)
        partial.mkdir(parents=True)
        for file, content in files.items():
            (partial / file).write_bytes(content)
        (partial / "dataset.json").write_text(f"{text}\n", encoding="utf-8")
        partial.rename(arguments.out)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(json.dumps(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
