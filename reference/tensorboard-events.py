#!/usr/bin/env python3
"""Reads the TensorBoard files of run folders with TensorBoard's own loaders, and compares them with metrics.jsonl.

EventFileLoader reads every record and checks its checksums; EventAccumulator gives the scalars as the web page shows
them. Every number of metrics.jsonl must be there, in f32, with its step and time, and nothing else may be.

    python3 -m venv venv && venv/bin/pip install tensorboard==2.20.0
    venv/bin/python reference/tensorboard-events.py runs/smoke-1 …

Prints a line for each run, and ends with 1 if one differs. Licence: MIT, as the project.
"""

import argparse
import json
import math
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader


def f32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def scalars_of_metrics(run):
    """(tag, step, time, value) of every number of metrics.jsonl."""
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        for name, value in record.items():
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if name not in ("step", "time") and is_number:
                yield f"{record['phase']}/{name}", record["step"], record["time"], f32(value)


def compare(run):
    """What differs, in words; and how much there is."""
    files = sorted((run / "tensorboard").iterdir())
    if len(files) != 1:
        return [f"{len(files)} event files instead of one"], 0, 0
    events = list(EventFileLoader(str(files[0])).Load())
    problems = [] if events and events[0].file_version == "brain.Event:2" else ["the first event gives no version"]
    # 0: keep every point.
    accumulator = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    # The accumulator turns scalars into tensors, or leaves them, by its version.
    read = {}
    for tag in tags["scalars"]:
        read[tag] = [(each.step, each.wall_time, each.value) for each in accumulator.Scalars(tag)]
    for tag in tags["tensors"]:
        read[tag] = [
            (each.step, each.wall_time, each.tensor_proto.float_val[0]) for each in accumulator.Tensors(tag)
        ]
    written = {}
    for tag, step, time, value in scalars_of_metrics(run):
        written.setdefault(tag, []).append((step, time, value))
    for tag in sorted(set(read) | set(written)):
        if read.get(tag) != written.get(tag):
            pairs = list(zip(written.get(tag, []), read.get(tag, [])))
            first = next((pair for pair in pairs if pair[0] != pair[1]), "the number of points")
            problems.append(f"{tag}: {len(written.get(tag, []))} written, {len(read.get(tag, []))} read; {first}")
    return problems, len(events), sum(map(len, read.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    failed = False
    for run in parser.parse_args().runs:
        problems, events, scalars = compare(run)
        failed = failed or bool(problems) or scalars == 0
        print(f"{run}: {events} events, {scalars} scalars, {'; '.join(problems) or 'all as in metrics.jsonl'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
