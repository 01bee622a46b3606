#!/usr/bin/env python3
"""Logits that Hugging Face's transformers and peft give with an adapter, to hold `crossgate logits --lora` against.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2
    crossgate adapter export RUN --out my-adapter
    venv/bin/python reference/peft-logits.py --model FOLDER --adapter my-adapter --tokens 1,2,3 > theirs.json
    crossgate logits --model FOLDER --lora my-adapter --tokens 1,2,3 --json > ours.json
    venv/bin/python reference/peft-logits.py --compare ours.json theirs.json

Licence: MIT, as the project.
"""

import argparse
import json
from pathlib import Path


def logits(arguments: argparse.Namespace) -> dict:
    import peft
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
    if arguments.adapter:
        model = peft.PeftModel.from_pretrained(model, arguments.adapter)
    tokens = torch.tensor([[int(token) for token in arguments.tokens.split(",")]])
    with torch.no_grad():
        values = model.double().eval()(input_ids=tokens).logits[0, -1]
    versions = f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
    return {"by": versions, "logits": values.tolist()}


def compare(ours: str, theirs: str) -> dict:
    a, b = (json.loads(Path(path).read_text())["logits"] for path in (ours, theirs))
    assert len(a) == len(b)
    largest = max(abs(value) for value in b)
    difference = max(abs(x - y) for x, y in zip(a, b, strict=True))
    return {"vocabulary": len(a), "maxDifference": difference, "maxLogit": largest, "ratio": difference / largest}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--adapter")
    parser.add_argument("--tokens")
    parser.add_argument("--compare", nargs=2)
    arguments = parser.parse_args()
    print(json.dumps(compare(*arguments.compare) if arguments.compare else logits(arguments)))


main()
